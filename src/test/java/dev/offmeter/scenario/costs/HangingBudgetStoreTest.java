// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.costs;

import static dev.offmeter.testing.Loopback.ollama;
import static dev.offmeter.testing.TwoNodes.template;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import ch.qos.logback.classic.Level;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.ClientInternals;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.Locality;
import dev.offmeter.guard.Budget;
import dev.offmeter.guard.BudgetStatus;
import dev.offmeter.guard.BudgetStore;
import dev.offmeter.guard.BudgetStore.WhenUnavailable;
import dev.offmeter.meter.Price;
import dev.offmeter.testing.InterceptedBudgetStore;
import dev.offmeter.testing.LoggedEvents;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.ServerReplies;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What becomes of calls whose budget store does not return. */
@Timeout(30)
class HangingBudgetStoreTest {
  private static final ChatRequest REQUEST =
      ChatRequest.builder().user("a reminder").maxTokens(100).build();

  @RegisterExtension final Loopback loopback = new Loopback();
  @RegisterExtension final LoggedEvents log = new LoggedEvents(Level.WARN);

  private final ManualTime time = loopback.manualTime();
  private final HangingStore store = new HangingStore();
  private final List<CompletableFuture<?>> calls = new ArrayList<>();
  private int timersBefore;
  private final Node reserve =
      loopback.node(
          ServerReplies.openAi(
              "Dear Ms Kern", "{\"prompt_tokens\":1000,\"completion_tokens\":100}"));

  /** Holds its method that is named up, whatever interrupts it, until it is released. */
  private static final class HangingStore extends InterceptedBudgetStore {
    private static final String ALL = "all";
    private final Semaphore entered = new Semaphore(0);
    private final AtomicInteger reserved = new AtomicInteger();
    private final AtomicInteger balances = new AtomicInteger();
    private volatile Runnable slowBalance = () -> {};
    private volatile String hangs = "";
    private volatile String throwsAt = "";
    private volatile CountDownLatch released = new CountDownLatch(1);

    void hang(String method) {
      hangs = method;
    }

    void hangAtAll() {
      hangs = ALL;
    }

    void release() {
      hangs = "";
      released.countDown();
      released = new CountDownLatch(1);
    }

    @Override
    protected void before(String method) {
      if (method.equals("balance")) {
        balances.incrementAndGet();
        slowBalance.run();
      }
      if (throwsAt.equals(method)) {
        throw new IllegalStateException("the database is down");
      }
      CountDownLatch until = released;
      if (!hangs.equals(method) && !hangs.equals(ALL)) {
        return;
      }
      entered.release();
      boolean waiting = true;
      while (waiting) {
        try {
          until.await();
          waiting = false;
        } catch (InterruptedException e) {
          // As a driver does that waits for its socket.
        }
      }
    }

    @Override
    public int reserve(String name, List<Claim> claims, Instant now, Instant leaseEnd) {
      int result = super.reserve(name, claims, now, leaseEnd);
      reserved.incrementAndGet();
      return result;
    }
  }

  @Test
  void whoeverReadsTheBudgetsOfASlowStoreDoesNotWaitForEachCountOfMany() {
    LlmClient client =
        loopback.client(
            ClientInternals.builder(time)
                .endpoint(paid().build())
                .budget(Budget.calls("customer", 10).tag("customer"))
                .budgetStore(store));
    for (int i = 0; i < 20; i++) {
      client.chat(REQUEST.toBuilder().tag("customer", "customer-" + i).build());
    }
    assertThat(client.meter().budgets()).hasSize(20);
    Instant before = time.instant();

    store.slowBalance = () -> time.advance(Duration.ofMillis(900));

    assertThat(client.meter().budgets()).isEmpty();
    assertThat(Duration.between(before, time.instant())).isLessThan(Duration.ofSeconds(7));
  }

  @AfterEach
  void release() {
    store.release();
    calls.forEach(call -> call.cancel(true));
  }

  private LlmClient client(BudgetStore budgets, Endpoint.Builder endpoint) {
    return loopback.client(
        ClientInternals.builder(time)
            .endpoint(endpoint.build())
            .endpoint(template())
            .budget(Budget.tokens("tokens", 100_000))
            .budgetStore(budgets));
  }

  private LlmClient client() {
    return client(store, paid());
  }

  private Endpoint.Builder paid() {
    return paid(reserve);
  }

  private static Endpoint.Builder paid(Node node) {
    return Endpoint.openAi("reserve", node.url())
        .model("large")
        .locality(Locality.MANAGED)
        .price(Price.perMillionTokens("USD", 1, 10));
  }

  private CompletableFuture<ChatResponse> call(LlmClient client) {
    timersBefore = time.pendingTasks();
    CompletableFuture<ChatResponse> call =
        CompletableFuture.supplyAsync(() -> client.chat(REQUEST));
    calls.add(call);
    return call;
  }

  /** Starts a call whose wait for the store has begun when this returns. */
  private CompletableFuture<ChatResponse> callThatWaits(LlmClient client)
      throws InterruptedException {
    CompletableFuture<ChatResponse> call = call(client);
    awaitWait();
    return call;
  }

  private boolean isDoneASecondLater(CompletableFuture<?> call) {
    time.advance(Duration.ofSeconds(1));
    return call.isDone();
  }

  private boolean isSettledAMinuteLater(LlmClient client) {
    time.advance(Duration.ofMinutes(1));
    return tokens(client).spent() > 0;
  }

  /** Only of a test in which nothing else waits. */
  private void awaitWait() throws InterruptedException {
    store.entered.acquire();
    await().until(() -> time.pendingTasks() > timersBefore);
  }

  private static BudgetStatus tokens(LlmClient client) {
    return client.meter().budgets().get(0);
  }

  private long warnings() {
    return log.messages().stream()
        .filter(line -> line.contains("the budget store does not work"))
        .count();
  }

  @Test
  void aCallWaitsForAReservationForOneSecond() throws Exception {
    store.hang("reserve");
    CompletableFuture<ChatResponse> call = callThatWaits(client());

    time.advance(Duration.ofMillis(999));
    assertThat(call).isNotDone();
    time.advance(Duration.ofMillis(1));

    ChatResponse response = call.get();
    assertThat(response.endpoint()).isEqualTo("template");
    assertThat(response.attempts().get(0).failure()).contains(FailureKind.BUDGET_EXCEEDED);
    assertThat(reserve.requests()).isEmpty();
    assertThat(log.messages())
        .anyMatch(line -> line.contains("reserve did not return within 1000 ms"));
  }

  @Test
  void aCallWaitsNoLongerThanItsDeadline() throws Exception {
    store.hang("reserve");
    LlmClient client = client();
    ChatRequest request = REQUEST.toBuilder().deadline(Duration.ofMillis(300)).build();
    CompletableFuture<ChatResponse> call =
        CompletableFuture.supplyAsync(() -> client.chat(request));
    awaitWait();

    time.advance(Duration.ofMillis(300));

    assertThat(call.handle((response, failure) -> true).get()).isTrue();
  }

  @Test
  void aCallThatIsCancelledDoesNotWaitForTheStore() throws Exception {
    store.hang("reserve");
    LlmClient client = client();
    Thread caller = new Thread(() -> client.chat(REQUEST));
    caller.setUncaughtExceptionHandler((thread, thrown) -> {});
    caller.start();
    store.entered.acquire();

    caller.interrupt();
    caller.join();

    assertThat(warnings()).isZero();
  }

  @Test
  void aStoreThatHangsForManyCallsIsNotAskedAnyMore() throws Exception {
    store.hang("reserve");
    LlmClient client = client();
    for (int i = 0; i < 16; i++) {
      CompletableFuture<ChatResponse> call = callThatWaits(client);
      time.advance(Duration.ofSeconds(1));
      call.get();
    }

    // Time stands still: it would wait for ever.
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("template");
    assertThat(store.entered.tryAcquire()).isFalse();
    assertThat(warnings()).isEqualTo(1);
  }

  @Test
  void aStoreThatReturnsAtLastIsAskedAgain() throws Exception {
    aStoreThatHangsForManyCallsIsNotAskedAnyMore();
    LlmClient client = client();
    store.release();

    await().until(() -> client.chat(REQUEST).endpoint().equals("reserve"));
  }

  @Test
  void aReservationThatWasMadeTooLateIsGivenBack() throws Exception {
    store.hang("reserve");
    LlmClient client = client();
    CompletableFuture<ChatResponse> call = callThatWaits(client);
    time.advance(Duration.ofSeconds(1));
    call.get();

    store.release();
    await().until(() -> store.reserved.get() == 1);
    assertThat(tokens(client).reserved()).isPositive();
    time.advance(Duration.ofSeconds(1));

    await().until(() -> tokens(client).reserved() == 0);
    assertThat(tokens(client).spent()).isZero();
  }

  @Test
  void anAnswerWaitsForItsSettlementForOneSecondAndIsCountedOnce() throws Exception {
    store.hang("settle");
    LlmClient client = client();
    CompletableFuture<ChatResponse> call = call(client);
    store.entered.acquire();
    await().until(() -> isDoneASecondLater(call));

    assertThat(call.get().endpoint()).isEqualTo("reserve");
    assertThat(tokens(client).spent()).isZero();
    store.release();

    await().until(() -> tokens(client).reserved() == 0);
    time.advance(Duration.ofMinutes(5));
    assertThat(tokens(client).spent()).isEqualTo(1100);
  }

  @Test
  void aSettlementThatFailsIsTriedAgainUntilItIsTaken() throws Exception {
    store.throwsAt = "settle";
    LlmClient client = client();
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("reserve");
    time.advance(Duration.ofSeconds(10));
    assertThat(tokens(client).spent()).isZero();

    store.throwsAt = "";

    await().until(() -> isSettledAMinuteLater(client));
    assertThat(tokens(client).spent()).isEqualTo(1100);
    assertThat(tokens(client).reserved()).isZero();
  }

  @Test
  void closingSettlesWhatTheStoreHasNotTaken() throws Exception {
    store.throwsAt = "settle";
    LlmClient client = client();
    client.chat(REQUEST);

    store.throwsAt = "";
    client.close();

    assertThat(tokens(client).spent()).isEqualTo(1100);
    assertThat(log.messages()).noneMatch(line -> line.contains("lost"));
  }

  @Test
  void aCallThatClosingEndsIsSettled() throws Exception {
    Node silent = loopback.node(OllamaReplies.hanging());
    LlmClient client = client(store, paid(silent));
    CompletableFuture<ChatResponse> call = call(client);
    silent.awaitFirstRequest();

    client.close();

    assertThat(tokens(client).spent()).isPositive();
    assertThat(tokens(client).reserved()).isZero();
    assertThat(call.handle((response, failure) -> failure != null).get()).isTrue();
  }

  @Test
  void closingSaysWhatIsLost() throws Exception {
    store.throwsAt = "settle";
    LlmClient client = client();
    client.chat(REQUEST);

    client.close();

    assertThat(log.messages()).anyMatch(line -> line.contains("1 settlements are lost"));
  }

  @Test
  void aStoreThatIsToAllowLetsAllThroughWhileItIsDown() throws Exception {
    store.throwsAt = "reserve";

    assertThat(
            client(store.whenUnavailable(WhenUnavailable.ALLOW), paid()).chat(REQUEST).endpoint())
        .isEqualTo("reserve");
  }

  @Test
  void aStoreThatIsToRefuseKeepsFreeEndpointsBackToo() throws Exception {
    store.throwsAt = "reserve";
    Node home = loopback.node(OllamaReplies.answering("Dear Mr Home"));
    LlmClient client = client(store.whenUnavailable(WhenUnavailable.REFUSE), ollama("home", home));

    ChatResponse response = client.chat(REQUEST);

    assertThat(response.endpoint()).isEqualTo("template");
    assertThat(response.attempts().get(0).message()).isEqualTo("the budget store does not work");
    assertThat(client.explain(REQUEST).endpoints().get(0).isAsked()).isTrue();
    store.throwsAt = "balance";
    assertThat(client.explain(REQUEST).endpoints().get(0).isAsked()).isFalse();
  }

  @Test
  void aStreamWhoseReaderRestsKeepsItsReservation() throws Exception {
    Node slow = loopback.node(OllamaReplies.answering("Dear", " Ms", " Kern"));
    LlmClient client =
        client(BudgetStore.inMemory(), ollama("home", slow).price(Price.perSecond("USD", "0.01")));
    try (ChatStream stream = client.stream(REQUEST)) {
      stream.iterator().next();
      long before = tokens(client).reserved();

      time.advance(Duration.ofHours(3));

      assertThat(before).isPositive();
      assertThat(tokens(client).reserved()).isEqualTo(before);
    }
    assertThat(tokens(client).reserved()).isZero();
  }

  @Test
  void aSettlementThatComesDuringARenewalFollowsIt() throws Exception {
    LlmClient client =
        client(store, ollama("home", loopback.node(OllamaReplies.answering("Dear"))));
    ChatStream stream = client.stream(REQUEST);
    stream.iterator().next();
    store.hang("renew");
    CompletableFuture<Void> resting =
        CompletableFuture.runAsync(() -> time.advance(Duration.ofHours(1)));
    store.entered.acquire();
    resting.get();

    stream.close();
    assertThat(tokens(client).spent()).isZero();
    store.release();

    await().until(() -> tokens(client).spent() > 0);
    assertThat(tokens(client).reserved()).isZero();
  }

  /** Does not block, and fails at the first renewal. */
  private static final class StoreThatMissesARenewal extends InterceptedBudgetStore {
    private int renewals;

    @Override
    protected void before(String method) {
      if (method.equals("renew") && renewals++ == 0) {
        throw new IllegalStateException("the database restarts");
      }
    }

    @Override
    public boolean mayBlock() {
      return false;
    }
  }

  @Test
  void aRenewalThatFailsIsTriedAgainBeforeTheLeaseEnds() throws Exception {
    Node slow = loopback.node(OllamaReplies.answering("Dear", " Ms", " Kern"));
    StoreThatMissesARenewal restarting = new StoreThatMissesARenewal();
    LlmClient client =
        client(restarting, ollama("home", slow).price(Price.perSecond("USD", "0.01")));
    try (ChatStream stream = client.stream(REQUEST)) {
      stream.iterator().next();
      long before = tokens(client).reserved();

      for (int i = 0; i < 360; i++) {
        time.advance(Duration.ofSeconds(10));
        assertThat(tokens(client).reserved()).isEqualTo(before);
      }
    }
    assertThat(restarting.renewals).isGreaterThan(1);
  }

  @Test
  void aRenewalThatHasFailedDoesNotHideThatReserveFails() throws Exception {
    Node slow = loopback.node(OllamaReplies.answering("Dear", " Ms", " Kern"));
    LlmClient client = client(store, ollama("home", slow).price(Price.perSecond("USD", "0.01")));
    store.throwsAt = "renew";
    try (ChatStream stream = client.stream(REQUEST)) {
      stream.iterator().next();
      time.advance(Duration.ofHours(1));
      await().until(() -> warnings() == 1);
    }
    store.throwsAt = "";
    client.chat(REQUEST);

    store.throwsAt = "reserve";
    client.chat(REQUEST);

    assertThat(warnings()).isEqualTo(2);
  }

  @Test
  void aStoreThatHangsInTheBackgroundTooIsNotAskedAnyMore() throws Exception {
    store.hangAtAll();
    LlmClient client = client();
    for (int i = 0; i < 16; i++) {
      CompletableFuture<ChatResponse> call = call(client);
      await().until(() -> isDoneASecondLater(call));
      call.get();
    }

    // Time stands still: it would wait for ever.
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("template");
  }

  private static Budget rejecting(String name) {
    return Budget.tokens(name, 100_000).whenExceeded(Budget.WhenExceeded.REJECT);
  }

  @Test
  void budgetsThatRejectAreAskedForOneSecondTogether() throws Exception {
    store.hang("balance");
    LlmClient client =
        loopback.client(
            ClientInternals.builder(time)
                .endpoint(paid().build())
                .endpoint(ollama("home", reserve).build())
                .budget(rejecting("one"))
                .budget(rejecting("two"))
                .budgetStore(store));
    CompletableFuture<ChatResponse> call = callThatWaits(client);

    time.advance(Duration.ofSeconds(1));

    reserve.awaitFirstRequest();
    assertThat(call).isNotCancelled();
  }

  @Test
  void theStatesOfManyBudgetsAreAskedForUntilTheFirstFails() {
    store.throwsAt = "balance";
    LlmClient client =
        loopback.client(
            ClientInternals.builder(time)
                .endpoint(paid().build())
                .budget(rejecting("one"))
                .budget(rejecting("two"))
                .budgetStore(store));

    assertThat(client.meter().budgets()).isEmpty();
    assertThat(store.balances.get()).isEqualTo(1);
  }
}
