// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.costs;

import static dev.offmeter.testing.Loopback.ollama;
import static dev.offmeter.testing.TwoNodes.template;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.offmeter.BudgetExceededException;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.ClientInternals;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.LlmException;
import dev.offmeter.Locality;
import dev.offmeter.guard.AnswerCheck;
import dev.offmeter.guard.Budget;
import dev.offmeter.guard.BudgetStatus;
import dev.offmeter.guard.BudgetStore;
import dev.offmeter.meter.Price;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.ServerReplies;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Semaphore;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A budget is asked at every dispatch to an endpoint under it, and never passed. */
@Timeout(30)
class BudgetedCallsTest {
  /** 1,000 tokens in and 100 out cost 0.002; 100 tokens of output 0.001 at the most. */
  private static final Price PRICE = Price.perMillionTokens("USD", 1, 10);

  @RegisterExtension final Loopback loopback = new Loopback();

  private final ManualTime time = loopback.manualTime();
  private final List<String> alerts = new CopyOnWriteArrayList<>();
  private final Node home = loopback.node(OllamaReplies.status(500, "text/plain", "broken"));
  private final Node reserve =
      loopback.node(answer("{\"prompt_tokens\":1000,\"completion_tokens\":100}"));

  private static Node.Script answer(String usage) {
    return ServerReplies.openAi("Dear Ms Kern", usage);
  }

  private static final ChatRequest REQUEST =
      ChatRequest.builder().user("a reminder").maxTokens(100).build();

  private Endpoint.Builder reserve() {
    return Endpoint.openAi("reserve", reserve.url())
        .model("large")
        .locality(Locality.MANAGED)
        .price(PRICE);
  }

  private LlmClient.Builder builder(Budget... budgets) {
    LlmClient.Builder builder =
        ClientInternals.builder(time)
            .endpoint(ollama("home", home).build())
            .endpoint(reserve().build())
            .listener(
                new LlmListener() {
                  @Override
                  public void onBudgetAlert(BudgetStatus budget, double share) {
                    alerts.add(budget.budget().name() + " " + share);
                  }
                });
    for (Budget budget : budgets) {
      builder.budget(budget);
    }
    return builder;
  }

  private LlmClient client(Budget... budgets) {
    return loopback.client(builder(budgets).endpoint(template()));
  }

  private static Budget calls(long calls) {
    return Budget.calls("one", calls).endpoint("reserve");
  }

  @Test
  void anEndpointOverItsBudgetIsSkippedAndTheCallGoesOn() {
    LlmClient client = client(calls(1));

    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("reserve");
    ChatResponse second = client.chat(REQUEST);

    assertThat(second.endpoint()).isEqualTo("template");
    assertThat(second.attempts().get(1).failure()).contains(FailureKind.BUDGET_EXCEEDED);
    assertThat(second.attempts().get(1).message())
        .contains("no room for up to 1 calls in budget one: 1 calls of 1 calls in all");
    assertThat(reserve.requests()).hasSize(1);
  }

  @Test
  void theOnlyWayLeftFailsWithTheBudgetItsSumAndItsEnd() {
    LlmClient client =
        loopback.client(
            builder(
                Budget.money("reserve-month", "0.003", "USD")
                    .perMonth(ZoneId.of("Europe/Zurich"))
                    .endpoint("reserve")));
    client.chat(REQUEST);

    BudgetExceededException failure =
        catchThrowableOfType(BudgetExceededException.class, () -> client.chat(REQUEST));

    assertThat(failure.budget().spent()).isEqualTo(2_000_000);
    assertThat(failure.budget().resetsAt()).contains(Instant.parse("2026-11-30T23:00:00Z"));
    assertThat(failure)
        .hasMessageStartingWith(
            "budget exceeded: reserve-month: 0.002 USD of 0.003 USD per month in Europe/Zurich,"
                + " begins anew at 2026-11-30T23:00:00Z\n  1. home")
        .hasMessageEndingWith("#budget-exceeded");
    assertThat(failure.attempts()).hasSize(2);
  }

  @Test
  void oneOfManyCallsAtOnceGetsTheLastRoom() {
    LlmClient client = client(calls(1));

    List<CompletableFuture<ChatResponse>> all =
        IntStream.range(0, 64).mapToObj(i -> client.chatAsync(REQUEST)).toList();

    assertThat(all.stream().map(CompletableFuture::join).map(ChatResponse::endpoint))
        .hasSize(64)
        .containsOnlyOnce("reserve");
    assertThat(reserve.requests()).hasSize(1);
  }

  @Test
  void whatWasReservedIsReplacedByWhatWasUsed() {
    LlmClient client = client(Budget.tokens("tokens", 100_000).endpoint("reserve"));
    client.chat(REQUEST);

    BudgetStatus status = client.meter().budgets().get(0);

    assertThat(status.spent()).isEqualTo(1100);
    assertThat(status.reserved()).isZero();
  }

  @Test
  void aRefusedRequestGivesBackItsRoom() {
    reserve.respondWith(OllamaReplies.status(400, "application/json", "{\"error\":\"no\"}"));
    LlmClient client = client(calls(1));
    client.chat(REQUEST);

    reserve.respondWith(answer("{\"prompt_tokens\":1,\"completion_tokens\":1}"));

    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("reserve");
  }

  @Test
  void aRetryNeedsRoomOfItsOwn() {
    reserve.respondWith(OllamaReplies.closing(""));
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(reserve().retries(3).build())
                .budget(calls(2))
                .endpoint(template()));

    ChatResponse response = client.chat(REQUEST);

    assertThat(response.endpoint()).isEqualTo("template");
    assertThat(reserve.requests()).hasSize(2);
    assertThat(response.attempts().get(2).failure()).contains(FailureKind.BUDGET_EXCEEDED);
  }

  @Test
  void aHedgeNeedsRoomOfItsOwn() throws InterruptedException {
    home.respondWith(OllamaReplies.hanging());
    LlmClient client =
        loopback.client(builder(calls(1)).hedgeAfter(Duration.ofSeconds(2)).maxHedgedShare(1));
    CompletableFuture<ChatResponse> first = client.chatAsync(REQUEST);
    home.awaitFirstRequest();
    time.advance(Duration.ofSeconds(2));
    assertThat(first.join().endpoint()).isEqualTo("reserve");

    home.respondWith(OllamaReplies.status(500, "text/plain", "broken"));
    BudgetExceededException failure =
        catchThrowableOfType(BudgetExceededException.class, () -> client.chat(REQUEST));

    assertThat(failure.budget().budget().name()).isEqualTo("one");
    assertThat(reserve.requests()).hasSize(1);
  }

  @Test
  void anAttemptThatIsGivenUpCountsAsWhatItMayHaveCost() throws InterruptedException {
    reserve.respondWith(OllamaReplies.hanging());
    LlmClient client = client(Budget.money("month", "1.00", "USD"));
    CompletableFuture<ChatResponse> call = client.chatAsync(REQUEST);
    reserve.awaitFirstRequest();
    BudgetStatus running = client.meter().budgets().get(0);
    time.advance(Duration.ofMinutes(2));
    call.join();
    BudgetStatus ended = client.meter().budgets().get(0);

    assertThat(running.reserved()).isGreaterThan(ended.spent());
    assertThat(ended.reserved()).isZero();
    assertThat(ended.spent()).isPositive();
  }

  @Test
  void aCancelledCallSettlesWhatItReserved() throws InterruptedException {
    reserve.respondWith(OllamaReplies.hanging());
    LlmClient client = client(Budget.money("month", "1.00", "USD"));
    CompletableFuture<ChatResponse> call = client.chatAsync(REQUEST);
    reserve.awaitFirstRequest();

    call.cancel(true);

    Loopback.awaitSoon(() -> client.meter().budgets().get(0).reserved() == 0);
    assertThat(client.meter().budgets().get(0).spent()).isPositive();
  }

  @Test
  void aStreamThatIsClosedSettlesWhatItReserved() {
    Semaphore permits = new Semaphore(1);
    reserve.respondWith(
        (connection, request) -> {
          permits.acquireUninterruptibly();
          connection.send(
              ServerReplies.EVENTS_HEAD
                  + OllamaReplies.chunk("data: " + ServerReplies.openAiPiece("Dear") + "\n\n"));
          connection.hang();
        });
    LlmClient client = client(Budget.money("month", "1.00", "USD"));

    try (ChatStream stream = client.stream(REQUEST)) {
      assertThat(stream.iterator().next()).isNotNull();
      assertThat(client.meter().budgets().get(0).reserved()).isPositive();
    }

    Loopback.awaitSoon(() -> client.meter().budgets().get(0).reserved() == 0);
    assertThat(client.meter().budgets().get(0).spent()).isPositive();
  }

  @Test
  void aRejectedAnswerIsSpentOnce() {
    LlmClient client = client(Budget.tokens("tokens", 100_000).endpoint("reserve"));
    ChatRequest picky = REQUEST.toBuilder().accept(AnswerCheck.mentions("1042")).build();

    assertThatThrownBy(() -> client.chat(picky)).isInstanceOf(LlmException.class);

    assertThat(client.meter().budgets().get(0).spent()).isEqualTo(1100);
  }

  @Test
  void aCallBudgetOfAllEndpointsCountsCallsAndNotAttempts() {
    LlmClient client = client(Budget.calls("calls", 2));

    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("reserve");
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("reserve");
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("template");
  }

  @Test
  void aNewWindowBeginsAtMidnightOfTheZone() {
    time.startAt(Instant.parse("2026-11-18T22:59:00Z"));
    LlmClient client = client(calls(1).perDay(ZoneId.of("Europe/Zurich")));
    client.chat(REQUEST);
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("template");

    time.advance(Duration.ofMinutes(1));

    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("reserve");
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("template");
  }

  @Test
  void eachValueOfATagHasACountOfItsOwn() {
    LlmClient client = client(calls(1).tag("customer"));
    ChatRequest one = REQUEST.toBuilder().tag("customer", "one").build();
    ChatRequest two = REQUEST.toBuilder().tag("customer", "two").build();

    assertThat(client.chat(one).endpoint()).isEqualTo("reserve");
    assertThat(client.chat(one).endpoint()).isEqualTo("template");
    assertThat(client.chat(two).endpoint()).isEqualTo("reserve");
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("reserve");
    assertThat(client.meter().budgets()).extracting(BudgetStatus::scope).contains("one", "two");
  }

  @Test
  void aSessionHasRoomAgainADayAfterItsLastCall() {
    LlmClient client = client(calls(1).perSession());
    ChatRequest one = REQUEST.toBuilder().session("one").build();
    assertThat(client.chat(one).endpoint()).isEqualTo("reserve");
    assertThat(client.chat(one).endpoint()).isEqualTo("template");

    time.advance(Duration.ofHours(25));
    assertThat(client.chat(one).endpoint()).isEqualTo("reserve");
  }

  @Test
  void onlyCallsWithTheTagFallUnderTheBudget() {
    LlmClient client = client(calls(1).tag("feature", "follow-up"));
    ChatRequest tagged = REQUEST.toBuilder().tag("feature", "follow-up").build();

    client.chat(tagged);

    assertThat(client.chat(tagged).endpoint()).isEqualTo("template");
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("reserve");
  }

  @Test
  void eachSessionHasACountOfItsOwn() {
    LlmClient client = client(calls(1).perSession());
    ChatRequest one = REQUEST.toBuilder().session("one").build();
    ChatRequest two = REQUEST.toBuilder().session("two").build();

    assertThat(client.chat(one).endpoint()).isEqualTo("reserve");
    assertThat(client.chat(one).endpoint()).isEqualTo("template");
    assertThat(client.chat(two).endpoint()).isEqualTo("reserve");
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("reserve");
  }

  @Test
  void aSessionAndATagsValueAreNotThoseOfAnotherPair() {
    LlmClient client = client(calls(1).perSession().tag("feature"));
    ChatRequest one = REQUEST.toBuilder().session("a|b").tag("feature", "c").build();
    ChatRequest two = REQUEST.toBuilder().session("a").tag("feature", "b|c").build();

    assertThat(client.chat(one).endpoint()).isEqualTo("reserve");
    assertThat(client.chat(two).endpoint()).isEqualTo("reserve");
  }

  @Test
  void theCountsOfTheLatestSessionsAreShown() {
    LlmClient client = client(Budget.tokens("tokens", 1_000_000).perSession());
    for (int i = 0; i < 1_001; i++) {
      ChatRequest request = REQUEST.toBuilder().session("run-" + i).build();
      assertThat(client.explain(request).endpoints()).hasSize(3);
    }

    assertThat(client.meter().budgets())
        .extracting(BudgetStatus::scope)
        .containsExactly("run-1000");
  }

  @Test
  void theQuestionOfADiagnosisIsCounted() {
    LlmClient client = client(Budget.tokens("tokens", 100_000));

    client.diagnose();

    assertThat(client.meter().budgets().get(0).spent()).isEqualTo(1100);
    assertThat(client.meter().snapshot().byEndpoint().get("reserve").cost())
        .hasToString("0.002 USD");
    assertThat(client.meter().snapshot().total().calls()).isZero();
  }

  @Test
  void aDiagnosisAsksNoQuestionForWhichThereIsNoRoom() {
    LlmClient client = client(calls(1));
    client.chat(REQUEST);

    assertThat(client.diagnose().toString()).contains("no room for up to 1 calls in budget one");
    assertThat(reserve.requests())
        .filteredOn(request -> request.toString().contains("POST"))
        .hasSize(1);
  }

  @Test
  void severalBudgetsHoldAtOnce() {
    LlmClient client = client(calls(5), Budget.money("money", "0.0035", "USD"));

    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("reserve");
    ChatResponse second = client.chat(REQUEST);

    assertThat(second.endpoint()).isEqualTo("reserve");
    ChatResponse third = client.chat(REQUEST);
    assertThat(third.attempts().get(1).message()).contains("in budget money: 0.004 USD");
    assertThat(client.meter().budgets().get(1).spent()).isEqualTo(2);
  }

  @Test
  void rejectFailsBeforeAnyConnectionIsOpened() {
    LlmClient client = client(calls(1).whenExceeded(Budget.WhenExceeded.REJECT));
    client.chat(REQUEST);
    int before = home.requests().size();

    assertThatThrownBy(() -> client.chat(REQUEST)).isInstanceOf(BudgetExceededException.class);

    assertThat(home.requests()).hasSize(before);
  }

  @Test
  void rejectFailsAStreamToo() {
    LlmClient client = client(calls(1).whenExceeded(Budget.WhenExceeded.REJECT));
    client.chat(REQUEST);

    try (ChatStream stream = client.stream(REQUEST)) {
      assertThatThrownBy(() -> stream.iterator().next())
          .isInstanceOf(BudgetExceededException.class);
    }
  }

  @Test
  void warnSendsTheRequestAndAlertsOnce() {
    LlmClient client = client(calls(1).whenExceeded(Budget.WhenExceeded.WARN));

    IntStream.range(0, 3)
        .forEach(i -> assertThat(client.chat(REQUEST).endpoint()).isEqualTo("reserve"));

    assertThat(alerts).containsExactly("one 1.0");
  }

  @Test
  void alertsOnceInEachWindowWhenAShareIsSpent() {
    LlmClient client = client(calls(4).perDay(ZoneOffset.UTC).alertAt(0.5, 0.75));

    IntStream.range(0, 6).forEach(i -> client.chat(REQUEST));
    assertThat(alerts).containsExactly("one 0.5", "one 0.75", "one 1.0");

    time.advance(Duration.ofDays(1));
    IntStream.range(0, 2).forEach(i -> client.chat(REQUEST));
    assertThat(alerts).hasSize(4).endsWith("one 0.5");
  }

  @Test
  void tellsWhenTheLimitWillBeReached() {
    time.startAt(Instant.parse("2026-11-18T00:00:00Z"));
    LlmClient client = client(calls(4).perDay(ZoneOffset.UTC));
    client.chat(REQUEST);
    assertThat(client.meter().budgets().get(0).projectedExhaustion()).isEmpty();

    time.advance(Duration.ofHours(4));

    assertThat(client.meter().budgets().get(0).projectedExhaustion())
        .contains(Instant.parse("2026-11-18T16:00:00Z"));
  }

  @Test
  void clientsThatShareAStoreShareTheirBudgets() {
    BudgetStore store = BudgetStore.inMemory();
    LlmClient one = loopback.client(builder(calls(1)).budgetStore(store).endpoint(template()));
    LlmClient two = loopback.client(builder(calls(1)).budgetStore(store).endpoint(template()));

    assertThat(one.chat(REQUEST).endpoint()).isEqualTo("reserve");
    assertThat(two.chat(REQUEST).endpoint()).isEqualTo("template");
  }

  @Test
  void aBudgetNeverLetsARequestGoWhereItMayNot() {
    LlmClient client = client(calls(1).whenExceeded(Budget.WhenExceeded.WARN));

    ChatResponse response = client.chat(REQUEST.toBuilder().selfHostedOnly().build());

    assertThat(response.endpoint()).isEqualTo("template");
    assertThat(reserve.requests()).isEmpty();
  }

  @Test
  void whatIsFreeFallsUnderNoBudgetOfMoney() {
    home.respondWith(OllamaReplies.answering("Dear"));
    LlmClient client = client(Budget.money("money", "0.000000001", "USD"));

    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("home");
  }

  @Test
  void aManagedEndpointUnderABudgetOfMoneyHasAPrice() {
    LlmClient.Builder builder =
        LlmClient.builder()
            .endpoint(Endpoint.gemini("reserve").model("m").build())
            .budget(Budget.money("month", "20", "USD"));

    assertThatThrownBy(builder::build)
        .isInstanceOf(IllegalStateException.class)
        .hasMessage(
            "endpoint 'reserve' must have a price, because budget 'month' limits money: declare"
                + " one with Endpoint.Builder.price or LlmClient.Builder.prices");
  }

  @Test
  void anExplanationNamesTheBudgetAndReservesNothing() {
    LlmClient client = client(calls(1));
    assertThat(client.explain(REQUEST).endpoints().get(1).isAsked()).isTrue();
    client.chat(REQUEST);

    assertThat(client.explain(REQUEST).endpoints().get(1).skippedFor())
        .contains(FailureKind.BUDGET_EXCEEDED);
    assertThat(client.meter().budgets().get(0).reserved()).isZero();
  }

  @Test
  void budgetsThatCannotHoldAreRejected() {
    assertThatThrownBy(() -> builder(calls(1), calls(2)).build())
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("budget 'one' is configured twice");
    assertThatThrownBy(() -> builder(Budget.calls("b", 1).endpoint("other")).build())
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("budget 'b' must be of one of the endpoints home, reserve, was of 'other'");
    assertThatThrownBy(() -> builder(Budget.money("b", "1", "EUR")).build())
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("budget 'b' must be in the currency of the prices, USD, was in EUR");
  }
}
