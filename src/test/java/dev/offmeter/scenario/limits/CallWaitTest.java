// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.limits;

import static dev.offmeter.testing.Loopback.ollama;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.offmeter.AllEndpointsFailedException;
import dev.offmeter.Attempt;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.ClientInternals;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.LlmException;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.testing.LoadingNode;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A call without an attempt: it waits for a bulkhead slot, or for its next retry. */
@Timeout(20)
class CallWaitTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final ChatRequest REQUEST = ChatRequest.builder().user("a reminder").build();

  private final Calls calls = new Calls();
  private ManualTime time;
  private Node only;

  @BeforeEach
  void start() {
    time = loopback.manualTime();
    only = loopback.node(OllamaReplies.answering("served"));
  }

  /** The ways to end a call from outside. */
  enum Stop {
    CANCEL("its future was completed") {
      @Override
      void now(LlmClient client, CompletableFuture<ChatResponse> call, Thread thread) {
        call.cancel(true);
      }
    },
    CLOSE("the client was closed") {
      @Override
      void now(LlmClient client, CompletableFuture<ChatResponse> call, Thread thread) {
        client.close();
      }
    },
    INTERRUPT("the calling thread was interrupted") {
      @Override
      void now(LlmClient client, CompletableFuture<ChatResponse> call, Thread thread) {
        thread.interrupt();
      }
    };

    final String reason;

    Stop(String reason) {
      this.reason = reason;
    }

    abstract void now(LlmClient client, CompletableFuture<ChatResponse> call, Thread thread);
  }

  private LlmClient client(Endpoint.Builder endpoint) {
    return loopback.client(
        ClientInternals.builder(time).endpoint(endpoint.build()).listener(calls));
  }

  private LlmClient clientWithOnePlace() {
    return client(ollama("only", only).maxConcurrent(1));
  }

  /** A call that has the only place until {@link Calls#letGo}. */
  private CompletableFuture<ChatResponse> holder(LlmClient client) throws InterruptedException {
    CompletableFuture<ChatResponse> holder = client.chatAsync(REQUEST);
    calls.held.await();
    return holder;
  }

  private static int placesLeft(LlmClient client) {
    return client
        .resilience4j()
        .bulkheads()
        .bulkhead("only")
        .getMetrics()
        .getAvailableConcurrentCalls();
  }

  private void assertStopped(Stop stop, FailureKind before) throws Exception {
    assertThat(calls.failed.get(2, TimeUnit.SECONDS))
        .isExactlyInstanceOf(LlmException.class)
        .hasMessage("the call was stopped: " + stop.reason)
        .extracting(e -> e.attempts().get(e.attempts().size() - 1).failure())
        .isEqualTo(Optional.of(before));
  }

  private LlmClient clientThatQueues() {
    return loopback.client(
        ClientInternals.builder(time)
            .endpoint(ollama("only", only).maxConcurrent(1).maxWait(Duration.ofSeconds(2)).build())
            .endpoint(Endpoint.local("template", request -> "from the template").build()));
  }

  /** A call that has the only place until the node lets go. */
  private CompletableFuture<ChatResponse> served(LlmClient client, CountDownLatch letGo)
      throws InterruptedException {
    only.respondWith(
        (connection, request) -> {
          try {
            letGo.await();
          } catch (InterruptedException e) {
            throw new AssertionError(e);
          }
          OllamaReplies.answering("served").answer(connection, request);
        });
    CompletableFuture<ChatResponse> holder = client.chatAsync(REQUEST);
    only.awaitFirstRequest();
    return holder;
  }

  /** A call that waits for a place, beside the clocks of the one that has it. */
  private CompletableFuture<ChatResponse> queues(LlmClient client, ChatRequest request) {
    int clocks = time.pendingTasks();
    CompletableFuture<ChatResponse> waiting = client.chatAsync(request);
    await().until(() -> time.pendingTasks() == clocks + 1);
    return waiting;
  }

  @Test
  void maxWaitPrefersTheSlotToTheNextEndpoint() throws Exception {
    LlmClient client = clientThatQueues();
    CountDownLatch letGo = new CountDownLatch(1);
    CompletableFuture<ChatResponse> holder = served(client, letGo);
    CompletableFuture<ChatResponse> waiting = queues(client, REQUEST);

    letGo.countDown();

    assertThat(waiting.get().text()).isEqualTo("served");
    assertThat(waiting.get().attempts()).hasSize(1);
    assertThat(holder.get().text()).isEqualTo("served");
    await().until(() -> placesLeft(client) == 1);
  }

  @Test
  void maxWaitIsNoLongerThanItSays() throws Exception {
    LlmClient client = clientThatQueues();
    CountDownLatch letGo = new CountDownLatch(1);
    CompletableFuture<ChatResponse> holder = served(client, letGo);
    CompletableFuture<ChatResponse> waiting = queues(client, REQUEST);

    time.advance(Duration.ofSeconds(2));

    assertThat(waiting.get().text()).isEqualTo("from the template");
    assertThat(waiting.get().elapsed()).isEqualTo(Duration.ofSeconds(2));
    assertThat(waiting.get().attempts().get(0).failure()).contains(FailureKind.BULKHEAD_FULL);
    letGo.countDown();
    assertThat(holder.get().text()).isEqualTo("served");
    await().until(() -> placesLeft(client) == 1);
  }

  @Test
  void maxWaitLeavesTimeForTheNextEndpoint() throws Exception {
    LlmClient client = clientThatQueues();
    CountDownLatch letGo = new CountDownLatch(1);
    CompletableFuture<ChatResponse> holder = served(client, letGo);
    CompletableFuture<ChatResponse> waiting =
        queues(client, REQUEST.toBuilder().deadline(Duration.ofMillis(1500)).build());

    time.advance(Duration.ofMillis(750));

    assertThat(waiting.get().text()).isEqualTo("from the template");
    letGo.countDown();
    assertThat(holder.get().text()).isEqualTo("served");
  }

  @Test
  void aCallQueuedForAnEndpointThatGoesDownFailsOver() throws Exception {
    LlmClient client = clientThatQueues();
    only.respondWith(
        (connection, request) -> {
          connection.send(OllamaReplies.STREAM_HEAD + OllamaReplies.tokens("x"));
          connection.hang();
        });
    try (ChatStream holder = client.stream(REQUEST)) {
      holder.iterator().next();
      CompletableFuture<ChatResponse> waiting = queues(client, REQUEST);
      only.respondToProbesWith(OllamaReplies.status(530, "text/plain", "error code: 1033"));

      CompletableFuture<?> warm = client.warmUp();
      // One check is never the only evidence.
      await().until(() -> warm.isDone() || (only.probes().size() >= 1 && !time.isHealthChecking()));
      for (int second = 0; second < 5 && !warm.isDone(); second++) {
        time.advance(Duration.ofSeconds(1));
        await().until(() -> !time.isHealthChecking());
      }

      ChatResponse response = waiting.get(5, TimeUnit.SECONDS);
      assertThat(response.text()).isEqualTo("from the template");
      assertThat(response.elapsed()).as("less than its maxWait").isLessThan(Duration.ofSeconds(2));
      assertThat(response.attempts().get(0).failure()).contains(FailureKind.CIRCUIT_OPEN);
      assertThat(placesLeft(client)).as("the stream has it still").isZero();
    }
  }

  @Test
  void maxWaitWithoutMaxConcurrentIsRejected() {
    Endpoint.Builder endpoint = ollama("only", only).maxWait(Duration.ofSeconds(2));

    assertThatThrownBy(endpoint::build)
        .isInstanceOf(IllegalStateException.class)
        .hasMessage(
            "endpoint 'only' must have a maxConcurrent to have a maxWait: without one it is never"
                + " full");
  }

  @ParameterizedTest
  @EnumSource(Stop.class)
  void aQueuedCallEndsAtOnceAndKeepsNoSlot(Stop stop) throws Exception {
    LlmClient client = clientWithOnePlace();
    CompletableFuture<ChatResponse> holder = holder(client);
    CompletableFuture<ChatResponse> waiting = client.chatAsync(REQUEST);
    await().until(() -> time.pendingTasks() == 1);

    stop.now(client, waiting, calls.skipping.get());

    assertStopped(stop, FailureKind.BULKHEAD_FULL);
    assertThat(time.pendingTasks()).as("timers left").isZero();
    assertThat(placesLeft(client)).as("the holder has it still").isZero();
    calls.letGo.countDown();
    await().until(() -> placesLeft(client) == 1);
    if (stop != Stop.CLOSE) {
      assertThat(holder.get().text()).isEqualTo("served");
      assertThat(client.chat(REQUEST).text()).isEqualTo("served");
      assertThat(only.requests()).as("of two calls").hasSize(2);
    }
  }

  @ParameterizedTest
  @EnumSource(Stop.class)
  void aCallThatIsStoppedOnItsWayIntoTheQueueNeverWaits(Stop stop) throws Exception {
    LlmClient client = clientWithOnePlace();
    holder(client);
    CompletableFuture<CompletableFuture<ChatResponse>> waiting = new CompletableFuture<>();
    calls.onSkip = () -> stop.now(client, waiting.join(), Thread.currentThread());
    waiting.complete(client.chatAsync(REQUEST));

    assertStopped(stop, FailureKind.BULKHEAD_FULL);
    calls.letGo.countDown();
    await().until(() -> placesLeft(client) == 1);
  }

  @ParameterizedTest
  @EnumSource(Stop.class)
  void aCallThatIsStoppedAsItGetsASlotReleasesIt(Stop stop) throws Exception {
    LlmClient client = clientWithOnePlace();
    holder(client);
    CompletableFuture<CompletableFuture<ChatResponse>> waiting = new CompletableFuture<>();
    calls.onSkip =
        () -> {
          calls.letGo.countDown();
          await().until(() -> placesLeft(client) == 1);
          stop.now(client, waiting.join(), Thread.currentThread());
        };
    waiting.complete(client.chatAsync(REQUEST));

    assertStopped(stop, FailureKind.BULKHEAD_FULL);
    assertThat(only.requests()).as("the holder's").hasSize(1);
    await().until(() -> placesLeft(client) == 1);
  }

  @Test
  void aSlotThatBecomesFreeBeforeTheCallIsQueuedIsTaken() throws Exception {
    LlmClient client = clientWithOnePlace();
    CompletableFuture<ChatResponse> holder = holder(client);
    calls.onSkip =
        () -> {
          calls.letGo.countDown();
          await().until(() -> placesLeft(client) == 1);
        };

    ChatResponse response = client.chatAsync(REQUEST).get(5, TimeUnit.SECONDS);

    assertThat(response.text()).isEqualTo("served");
    assertThat(response.attempts().get(0).failure()).contains(FailureKind.BULKHEAD_FULL);
    assertThat(holder.get().text()).isEqualTo("served");
    assertThat(placesLeft(client)).isOne();
  }

  @Test
  void aSlotAtAnEndpointThatWentDownMeanwhileIsNotUsed() throws Exception {
    only.respondWith(OllamaReplies.status(530, "text/plain", "error code: 1033"));
    LlmClient client = clientWithOnePlace();
    CompletableFuture<ChatResponse> holder = holder(client);
    List<CompletableFuture<ChatResponse>> line =
        List.of(client.chatAsync(REQUEST), client.chatAsync(REQUEST));
    await().until(() -> time.pendingTasks() == 2);

    calls.letGo.countDown();

    assertThatThrownBy(() -> holder.get(2, TimeUnit.SECONDS)).hasMessageContaining("TUNNEL_DOWN");
    for (CompletableFuture<ChatResponse> waiting : line) {
      assertThatThrownBy(() -> waiting.get(2, TimeUnit.SECONDS))
          .isInstanceOf(ExecutionException.class)
          .cause()
          .isInstanceOfSatisfying(
              AllEndpointsFailedException.class,
              e ->
                  assertThat(e.attempts())
                      .extracting(attempt -> attempt.failure().orElseThrow())
                      .containsExactly(FailureKind.BULKHEAD_FULL, FailureKind.CIRCUIT_OPEN));
    }
    assertThat(only.requests()).as("the holder's").hasSize(1);
    assertThat(placesLeft(client)).isOne();
    assertThat(time.pendingTasks()).as("timers left").isZero();
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void aCallThatWaitsForASlotIsAnsweredByAModelThatIsLoadedFirst(boolean fullIsFirst)
      throws Exception {
    only.respondWith(OllamaReplies.hanging());
    LoadingNode cold =
        new LoadingNode(loopback, time, Duration.ofSeconds(5), Duration.ofMillis(500));
    Endpoint full = ollama("only", only).maxConcurrent(1).build();
    Endpoint home = ollama("home", cold.node()).build();
    LlmClient client =
        loopback.client(
            ClientInternals.builder(time)
                .endpoint(fullIsFirst ? full : home)
                .endpoint(fullIsFirst ? home : full));
    client.warmUp();
    await().until(() -> cold.isLoading() && client.status().toString().contains("WARMING"));
    CompletableFuture<ChatResponse> holder =
        client.chatAsync(REQUEST.toBuilder().deadline(Duration.ofHours(1)).build());
    only.awaitFirstRequest();
    int clocks = time.pendingTasks();
    CompletableFuture<ChatResponse> call = client.chatAsync(REQUEST);
    await().until(() -> time.pendingTasks() > clocks);

    time.advance(Duration.ofSeconds(5));
    await().until(cold::isAnswering);
    time.advance(Duration.ofMillis(500));

    assertThat(call.get().endpoint()).isEqualTo("home");
    assertThat(call.get().elapsed()).isEqualTo(Duration.ofMillis(5500));
    holder.cancel(true);
  }

  @Test
  void aSlotAtOneEndpointKeepsTimeForTheOther() throws Exception {
    Node one = loopback.node(OllamaReplies.answering("ONE"));
    Node other = loopback.node(OllamaReplies.answering("OTHER"));
    CountDownLatch oneFree = new CountDownLatch(1);
    CountDownLatch otherFree = new CountDownLatch(1);
    one.respondWith(after(oneFree, OllamaReplies.answering("ONE")));
    other.respondWith(after(otherFree, OllamaReplies.answering("OTHER")));
    LlmClient client =
        loopback.client(
            ClientInternals.builder(time)
                .endpoint(ollama("one", one).maxConcurrent(1).build())
                .endpoint(ollama("other", other).maxConcurrent(1).build()));
    CompletableFuture<ChatResponse> first = client.chatAsync(REQUEST);
    one.awaitFirstRequest();
    CompletableFuture<ChatResponse> second = client.chatAsync(REQUEST);
    other.awaitFirstRequest();
    int timers = time.pendingTasks();
    CompletableFuture<ChatResponse> waiting =
        client.chatAsync(REQUEST.toBuilder().deadline(Duration.ofSeconds(10)).build());
    await().until(() -> time.pendingTasks() == timers + 1);
    one.respondWith(OllamaReplies.hanging());
    other.respondWith(OllamaReplies.answering("OTHER"));
    oneFree.countDown();
    await().until(() -> one.requests().size() == 2);
    otherFree.countDown();
    first.get();
    second.get();

    time.advance(Duration.ofSeconds(5));

    assertThat(waiting.get().endpoint()).isEqualTo("other");
  }

  private static Node.Script after(CountDownLatch latch, Node.Script script) {
    return (connection, request) -> {
      try {
        latch.await();
      } catch (InterruptedException e) {
        throw new AssertionError(e);
      }
      script.answer(connection, request);
    };
  }

  @ParameterizedTest
  @EnumSource(Stop.class)
  void aCallInItsRetryDelayEndsAtOnceAndKeepsNoSlot(Stop stop) throws Exception {
    only.respondWith(OllamaReplies.status(502, "", ""));
    calls.letGo.countDown();
    LlmClient client = client(ollama("only", only).maxConcurrent(1).retries(1));
    CompletableFuture<ChatResponse> pausing = client.chatAsync(REQUEST);
    Thread thread = calls.ending.get();
    await().until(() -> time.pendingTasks() == 1);

    stop.now(client, pausing, thread);

    assertStopped(stop, FailureKind.ORIGIN_UNREACHABLE);
    assertThat(time.pendingTasks()).as("timers left").isZero();
    await().until(() -> placesLeft(client) == 1);
    if (stop != Stop.CLOSE) {
      only.respondWith(OllamaReplies.answering("served"));
      assertThat(client.chat(REQUEST).text()).isEqualTo("served");
    }
    assertThat(only.requests()).hasSize(stop == Stop.CLOSE ? 1 : 2);
  }

  @ParameterizedTest
  @EnumSource(Stop.class)
  void aCallThatIsStoppedOnItsWayIntoARetryDelayNeverWaits(Stop stop) throws Exception {
    only.respondWith(OllamaReplies.status(429, "", "", "Retry-After: 2"));
    calls.letGo.countDown();
    LlmClient client = client(ollama("only", only).retries(1));
    CompletableFuture<CompletableFuture<ChatResponse>> pausing = new CompletableFuture<>();
    calls.onEnd = () -> stop.now(client, pausing.join(), Thread.currentThread());
    pausing.complete(client.chatAsync(REQUEST));

    assertStopped(stop, FailureKind.RATE_LIMITED);
    assertThat(only.requests()).hasSize(1);
  }

  /** Holds the first attempt back, and acts on a call's own thread at moments of interest. */
  private static final class Calls implements LlmListener {
    private final CountDownLatch held = new CountDownLatch(1);
    private final CountDownLatch letGo = new CountDownLatch(1);
    private final CompletableFuture<Thread> skipping = new CompletableFuture<>();
    private final CompletableFuture<Thread> ending = new CompletableFuture<>();
    private final CompletableFuture<LlmException> failed = new CompletableFuture<>();
    private volatile Runnable onSkip = () -> {};
    private volatile Runnable onEnd = () -> {};

    @Override
    public void onAttemptStarted(long call, String endpoint, String model) {
      held.countDown();
      try {
        letGo.await();
      } catch (InterruptedException e) {
        throw new AssertionError(e);
      }
    }

    @Override
    public void onAttemptSkipped(long call, Attempt attempt) {
      skipping.complete(Thread.currentThread());
      onSkip.run();
    }

    @Override
    public void onAttemptEnded(long call, Attempt attempt) {
      ending.complete(Thread.currentThread());
      onEnd.run();
    }

    @Override
    public void onCallFailed(long call, LlmException exception) {
      failed.complete(exception);
    }
  }
}
