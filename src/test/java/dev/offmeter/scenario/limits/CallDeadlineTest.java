// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.limits;

import static dev.offmeter.testing.Loopback.awaitSoon;
import static dev.offmeter.testing.Loopback.ollama;
import static dev.offmeter.testing.TwoNodes.primaryState;
import static dev.offmeter.testing.TwoNodes.template;
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
import dev.offmeter.observe.EndpointState;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Time is bounded, and some is kept for the endpoints still to come. */
@Timeout(20)
class CallDeadlineTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private ManualTime time;
  private Node first;
  private Node second;
  private Node third;
  private final Semaphore fails = new Semaphore(0);
  private final AtomicInteger ended = new AtomicInteger();

  @BeforeEach
  void start() {
    time = loopback.manualTime();
    first = loopback.node(OllamaReplies.hanging());
    second = loopback.node(OllamaReplies.hanging());
    third = loopback.node(OllamaReplies.hanging());
  }

  private LlmClient.Builder threeNodes() {
    return ClientInternals.builder(time)
        .endpoint(ollama("first", first).build())
        .endpoint(ollama("second", second).build())
        .endpoint(ollama("third", third).build());
  }

  private static CompletableFuture<ChatResponse> ask(LlmClient client, Duration deadline) {
    return client.chatAsync(within(deadline));
  }

  private void passes(Node asked, Duration duration) {
    await().until(() -> asked.requests().size() == 1);
    time.advance(duration);
  }

  private static List<Long> secondsPerAttempt(List<Attempt> attempts) {
    return attempts.stream().map(attempt -> attempt.elapsed().toSeconds()).toList();
  }

  private static List<Attempt> attemptsOf(CompletableFuture<ChatResponse> call) throws Exception {
    try {
      return call.get().attempts();
    } catch (ExecutionException e) {
      return ((LlmException) e.getCause()).attempts();
    }
  }

  @Test
  void eachEndpointStillToComeKeepsAnEqualShare() throws Exception {
    CompletableFuture<ChatResponse> call =
        ask(loopback.client(threeNodes()), Duration.ofSeconds(30));

    passes(first, Duration.ofSeconds(10));
    passes(second, Duration.ofSeconds(10));
    passes(third, Duration.ofSeconds(10));

    assertThat(secondsPerAttempt(attemptsOf(call))).containsExactly(10L, 10L, 10L);
  }

  @Test
  void whatAnEndpointDoesNotNeedGoesToTheOthers() throws Exception {
    first.respondWith(OllamaReplies.status(500, "", ""));
    CompletableFuture<ChatResponse> call =
        ask(loopback.client(threeNodes()), Duration.ofSeconds(30));

    passes(second, Duration.ofSeconds(15));
    passes(third, Duration.ofSeconds(15));

    assertThat(secondsPerAttempt(attemptsOf(call))).containsExactly(0L, 15L, 15L);
  }

  @Test
  void withTimeToSpareTheFirstKeepsItsWholeLimit() throws Exception {
    CompletableFuture<ChatResponse> call =
        ask(loopback.client(threeNodes()), Duration.ofMinutes(5));

    passes(first, Duration.ofSeconds(15));
    passes(second, Duration.ofSeconds(120));
    passes(third, Duration.ofSeconds(120));

    assertThat(secondsPerAttempt(attemptsOf(call))).containsExactly(15L, 120L, 120L);
  }

  @Test
  void theLastEndpointAnswersInTheTimeKeptForIt() throws Exception {
    LlmClient client =
        loopback.client(
            threeNodes()
                .endpoint(Endpoint.local("template", request -> "from the template").build()));
    CompletableFuture<ChatResponse> call = ask(client, Duration.ofSeconds(10));

    // A function keeps a second, so that the first of the others has what it leaves of its share.
    passes(first, Duration.ofSeconds(4));
    passes(second, Duration.ofSeconds(3));
    passes(third, Duration.ofSeconds(2));

    assertThat(call.get().text()).isEqualTo("from the template");
    assertThat(call.get().elapsed()).isLessThanOrEqualTo(Duration.ofSeconds(10));
  }

  @Test
  void callersInAHurryDoNotTakeAHealthyNodeAwayFromTheOthers() throws Exception {
    LlmClient client = loopback.client(threeNodes());
    for (int i = 1; i <= 3; i++) {
      int asked = i;
      CompletableFuture<ChatResponse> call = ask(client, Duration.ofSeconds(3));
      for (Node node : List.of(first, second, third)) {
        await().until(() -> node.requests().size() == asked);
        time.advance(Duration.ofSeconds(1));
      }
      assertThat(attemptsOf(call))
          .extracting(attempt -> attempt.failure().orElseThrow())
          .containsExactly(
              FailureKind.DEADLINE_SHARE_EXCEEDED,
              FailureKind.DEADLINE_SHARE_EXCEEDED,
              FailureKind.DEADLINE_EXCEEDED);
    }
    first.respondWith(OllamaReplies.answering("FIRST"));

    assertThat(client.chat("a reminder").endpoint()).isEqualTo("first");
  }

  @Test
  void anEndpointKnownToBeDownGetsNoShare() throws Exception {
    second.respondWith(OllamaReplies.status(530, "text/plain", "error code: 1033"));
    third.respondWith(OllamaReplies.answering("THIRD"));
    first.respondWith(OllamaReplies.status(400, "", ""));
    LlmClient client = loopback.client(threeNodes());
    assertThat(client.chat("a reminder").text()).isEqualTo("THIRD");
    first.respondWith(OllamaReplies.hanging());

    CompletableFuture<ChatResponse> call = ask(client, Duration.ofSeconds(24));
    await().until(() -> first.requests().size() == 2);
    time.advance(Duration.ofSeconds(12));

    assertThat(call.get().attempts().get(0).elapsed()).isEqualTo(Duration.ofSeconds(12));
  }

  @Test
  void retriesAndRetryAfterStayWithinTheDeadline() throws Exception {
    Node busy = loopback.node(OllamaReplies.status(503, "", "", "Retry-After: 3600"));
    LlmClient client =
        loopback.client(
            ClientInternals.builder(time)
                .endpoint(ollama("busy", busy).retries(10).build())
                .endpoint(ollama("first", first).build()));
    CompletableFuture<ChatResponse> call = ask(client, Duration.ofSeconds(20));

    passes(first, Duration.ofSeconds(20));

    assertThat(attemptsOf(call)).hasSize(2);
    assertThat(busy.requests()).as("an hour does not fit").hasSize(1);
  }

  @Test
  void aRetryAfterThatFitsIsWaitedForIfRetriesAreAllowed() throws Exception {
    Node busy = loopback.node(OllamaReplies.status(429, "", "", "Retry-After: 2"));
    LlmClient client =
        loopback.client(
            ClientInternals.builder(time)
                .endpoint(ollama("busy", busy).retries(1).build())
                .endpoint(ollama("second", second).build()));
    CompletableFuture<ChatResponse> call = ask(client, Duration.ofSeconds(60));
    await().until(() -> busy.requests().size() == 1 && time.pendingTasks() == 1);
    busy.respondWith(OllamaReplies.answering("at last"));

    time.advance(Duration.ofSeconds(2));
    assertThat(busy.requests()).hasSize(1);
    time.advance(Duration.ofMillis(1));

    assertThat(call.get().text()).isEqualTo("at last");
    assertThat(call.get().attempts()).extracting(Attempt::endpoint).containsExactly("busy", "busy");
    assertThat(second.requests()).isEmpty();
  }

  @Test
  void withoutRetriesTheNextEndpointIsAskedAtOnce() {
    first.respondWith(OllamaReplies.status(502, "", ""));
    second.respondWith(OllamaReplies.answering("SECOND"));

    assertThat(loopback.client(threeNodes()).chat("a reminder").text()).isEqualTo("SECOND");
    assertThat(first.requests()).hasSize(1);
  }

  @Test
  void aPassingFailureIsRetriedHereIfAllowed() throws Exception {
    Node flaky = loopback.node(OllamaReplies.status(502, "", ""));
    LlmClient client =
        loopback.client(
            ClientInternals.builder(time)
                .endpoint(ollama("flaky", flaky).retries(2).build())
                .endpoint(ollama("second", second).build()));
    CompletableFuture<ChatResponse> call = ask(client, Duration.ofSeconds(60));
    await().until(() -> flaky.requests().size() == 1 && time.pendingTasks() == 1);
    flaky.respondWith(OllamaReplies.answering("back again"));
    time.advance(Duration.ofSeconds(1));

    assertThat(call.get().text()).isEqualTo("back again");
  }

  @Test
  void aTimeoutIsNeverRetriedHere() throws Exception {
    LlmClient client =
        loopback.client(
            ClientInternals.builder(time)
                .endpoint(ollama("first", first).retries(10).build())
                .endpoint(ollama("second", second).build()));
    CompletableFuture<ChatResponse> call = ask(client, Duration.ofMinutes(10));
    passes(first, Duration.ofSeconds(15));
    passes(second, Duration.ofSeconds(120));

    assertThat(attemptsOf(call)).hasSize(2);
  }

  @Test
  void anEndpointForWhichNoTimeIsLeftIsNotAsked() {
    first.respondWith(OllamaReplies.status(400, "", ""));
    LlmListener aMinutePasses =
        new LlmListener() {
          @Override
          public void onAttemptEnded(long call, Attempt attempt) {
            time.advance(Duration.ofMinutes(1));
          }
        };
    LlmClient client =
        loopback.client(threeNodes().deadline(Duration.ofSeconds(30)).listener(aMinutePasses));

    assertThatThrownBy(() -> client.chat("a reminder"))
        .isInstanceOfSatisfying(
            AllEndpointsFailedException.class,
            e -> assertThat(e.attempts().get(1).failure()).contains(FailureKind.DEADLINE_EXCEEDED));
    assertThat(second.requests()).isEmpty();
  }

  @Test
  void theClientsDeadlineAppliesWhenTheRequestHasNone() throws Exception {
    LlmClient client = loopback.client(threeNodes().deadline(Duration.ofSeconds(6)));
    CompletableFuture<ChatResponse> call =
        client.chatAsync(ChatRequest.builder().user("a reminder").build());

    passes(first, Duration.ofSeconds(2));
    passes(second, Duration.ofSeconds(2));
    passes(third, Duration.ofSeconds(2));

    assertThat(secondsPerAttempt(attemptsOf(call))).containsExactly(2L, 2L, 2L);
  }

  /** Fails after 1.2 s each time. */
  private void failsSlowly(Node node, int times) {
    for (int i = 1; i <= times; i++) {
      int asked = i;
      awaitSoon(() -> node.requests().size() == asked);
      time.advance(Duration.ofMillis(1200));
      fails.release();
      awaitSoon(() -> ended.get() == asked);
      if (asked < times) {
        awaitSoon(() -> time.pendingTasks() == 1);
        awaitSoon(() -> isAskedAfterAPause(node, asked + 1));
      }
    }
  }

  /** Waits out a pause in small steps, so that the next attempt loses none of its own time. */
  private boolean isAskedAfterAPause(Node node, int times) {
    if (time.pendingTasks() == 1 && node.requests().size() < times) {
      time.advance(Duration.ofMillis(50));
    }
    return node.requests().size() == times;
  }

  private Node.Script failing() {
    return (connection, request) -> {
      fails.acquireUninterruptibly();
      connection.send("HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n");
    };
  }

  private LlmClient.Builder twoNodes(Endpoint.Builder primary) {
    return ClientInternals.builder(time)
        .endpoint(primary.build())
        .endpoint(ollama("second", second).timeout(Duration.ofSeconds(3)).build())
        .listener(
            new LlmListener() {
              @Override
              public void onAttemptEnded(long call, Attempt attempt) {
                ended.incrementAndGet();
              }
            });
  }

  @Test
  void withoutADeadlineRetriesTakeNothingFromTheEndpointsAfterThem() throws Exception {
    first.respondWith(failing());
    LlmClient client =
        loopback.client(twoNodes(ollama("first", first).timeout(Duration.ofSeconds(2)).retries(2)));
    CompletableFuture<ChatResponse> call = client.chatAsync("a reminder");
    failsSlowly(first, 3);

    passes(second, Duration.ofSeconds(3));

    assertThat(attemptsOf(call)).hasSize(4);
    assertThat(attemptsOf(call).get(3).elapsed()).isEqualTo(Duration.ofSeconds(3));
    assertThat(attemptsOf(call).get(3).failure()).contains(FailureKind.ATTEMPT_TIMEOUT);
  }

  @Test
  void norDoTheyInAStream() throws Exception {
    first.respondWith(failing());
    LlmClient client =
        loopback.client(twoNodes(ollama("first", first).timeout(Duration.ofSeconds(2)).retries(2)));
    CompletableFuture<ChatResponse> call =
        CompletableFuture.supplyAsync(
            () -> {
              try (ChatStream stream = client.stream("a reminder")) {
                return stream.response();
              }
            });
    failsSlowly(first, 3);

    passes(second, Duration.ofSeconds(3));

    assertThat(attemptsOf(call).get(3).elapsed()).isEqualTo(Duration.ofSeconds(3));
  }

  @Test
  void withADeadlineRetriesHaveOnlyWhatTheOthersLeave() throws Exception {
    first.respondWith(failing());
    LlmClient client = loopback.client(twoNodes(ollama("first", first).retries(1)));
    CompletableFuture<ChatResponse> call = ask(client, Duration.ofSeconds(6));
    awaitSoon(() -> first.requests().size() == 1);
    time.advance(Duration.ofMillis(1500));
    first.respondWith(OllamaReplies.hanging());
    fails.release();
    awaitSoon(() -> ended.get() == 1 && time.pendingTasks() == 1);
    time.advance(Duration.ofMillis(750));
    awaitSoon(() -> first.requests().size() == 2);
    time.advance(Duration.ofMillis(750));

    passes(second, Duration.ofSeconds(3));

    assertThat(call).failsWithin(Duration.ofSeconds(5));
    assertThat(attemptsOf(call).get(2).elapsed()).isEqualTo(Duration.ofSeconds(3));
  }

  @Test
  void aQueueIsTakenFromNoOtherAndHeldAgainstNobody() throws Exception {
    LlmClient client =
        loopback.client(
            ClientInternals.builder(time)
                .endpoint(
                    ollama("first", first)
                        .timeout(Duration.ofSeconds(4))
                        .maxConcurrent(1)
                        .maxWait(Duration.ofSeconds(3))
                        .build())
                .endpoint(ollama("second", second).build()));
    CompletableFuture<ChatResponse> other = ask(client, Duration.ofMinutes(10));
    awaitSoon(() -> first.requests().size() == 1);
    CompletableFuture<ChatResponse> call = ask(client, Duration.ofSeconds(10));
    awaitSoon(() -> time.pendingTasks() == 3);
    time.advance(Duration.ofSeconds(2));
    other.cancel(true);
    awaitSoon(() -> first.requests().size() == 2);

    time.advance(Duration.ofSeconds(3));
    passes(second, Duration.ofSeconds(5));

    assertThat(secondsPerAttempt(attemptsOf(call))).containsExactly(3L, 5L);
    assertThat(attemptsOf(call).get(0).failure()).contains(FailureKind.DEADLINE_SHARE_EXCEEDED);
  }

  @Test
  void withoutADeadlineAQueueIsTakenFromNobody() throws Exception {
    LlmClient client =
        loopback.client(
            twoNodes(
                ollama("first", first)
                    .timeout(Duration.ofSeconds(4))
                    .maxConcurrent(1)
                    .maxWait(Duration.ofSeconds(3))));
    CompletableFuture<ChatResponse> other = ask(client, Duration.ofMinutes(10));
    awaitSoon(() -> first.requests().size() == 1);
    CompletableFuture<ChatResponse> call = client.chatAsync("a reminder");
    awaitSoon(() -> time.pendingTasks() == 3);
    time.advance(Duration.ofSeconds(2));
    other.cancel(true);
    awaitSoon(() -> first.requests().size() == 2);

    time.advance(Duration.ofSeconds(4));
    passes(second, Duration.ofSeconds(3));

    assertThat(secondsPerAttempt(attemptsOf(call))).containsExactly(4L, 3L);
    assertThat(attemptsOf(call).get(0).failure()).contains(FailureKind.ATTEMPT_TIMEOUT);
  }

  @Test
  void withoutADeadlineARetryAfterIsWaitedForWithinReason() throws Exception {
    first.respondWith(OllamaReplies.status(429, "", "", "Retry-After: 9"));
    LlmClient client =
        loopback.client(twoNodes(ollama("first", first).timeout(Duration.ofSeconds(1)).retries(1)));
    CompletableFuture<ChatResponse> call = client.chatAsync("a reminder");
    awaitSoon(() -> first.requests().size() == 1 && time.pendingTasks() == 1);
    first.respondWith(OllamaReplies.answering("at last"));
    time.advance(Duration.ofMillis(9001));

    assertThat(call.get().text()).isEqualTo("at last");
  }

  @Test
  void aListenerThatTakesItsTimeTakesItFromNoEndpointsLimit() throws Exception {
    LlmListener aMinutePasses =
        new LlmListener() {
          @Override
          public void onAttemptStarted(long call, String endpoint, String model) {
            time.advance(Duration.ofMinutes(1));
          }
        };
    LlmClient client =
        loopback.client(
            twoNodes(ollama("first", first).firstTokenTimeout(Duration.ofSeconds(10)))
                .listener(aMinutePasses));
    CompletableFuture<ChatResponse> call = client.chatAsync("a reminder");

    passes(first, Duration.ofSeconds(10));
    passes(second, Duration.ofSeconds(3));

    assertThat(secondsPerAttempt(attemptsOf(call))).containsExactly(10L, 3L);
  }

  private static ChatRequest within(Duration deadline) {
    return ChatRequest.builder().user("a reminder").deadline(deadline).build();
  }

  @Test
  void anEndpointThatIsFullWithoutAQueueKeepsNoTime() throws Exception {
    LlmClient client =
        loopback.client(
            ClientInternals.builder(time)
                .endpoint(ollama("first", first).build())
                .endpoint(ollama("second", second).maxConcurrent(1).build()));
    first.respondWith(OllamaReplies.status(400, "", ""));
    CompletableFuture<ChatResponse> holder = ask(client, Duration.ofHours(1));
    second.awaitFirstRequest();
    first.respondWith(OllamaReplies.hanging());

    CompletableFuture<ChatResponse> call = ask(client, Duration.ofSeconds(10));
    awaitSoon(() -> first.requests().size() == 2);
    time.advance(Duration.ofSeconds(10));

    assertThat(secondsPerAttempt(attemptsOf(call))).startsWith(10L);
    holder.cancel(true);
  }

  @Test
  void anEndpointWhoseRequestsAreUsedUpKeepsNoTime() throws Exception {
    LlmClient client =
        loopback.client(
            ClientInternals.builder(time)
                .endpoint(ollama("first", first).build())
                .endpoint(ollama("second", second).requestsPerMinute(1).build()));
    first.respondWith(OllamaReplies.status(400, "", ""));
    second.respondWith(OllamaReplies.answering("SECOND"));
    client.chat(within(Duration.ofSeconds(10)));
    first.respondWith(OllamaReplies.hanging());

    CompletableFuture<ChatResponse> call = ask(client, Duration.ofSeconds(10));
    awaitSoon(() -> first.requests().size() == 2);
    time.advance(Duration.ofSeconds(10));

    assertThat(secondsPerAttempt(attemptsOf(call))).startsWith(10L);
  }

  @Test
  void anEndpointWithAQueueKeepsItsTime() throws Exception {
    LlmClient client =
        loopback.client(
            ClientInternals.builder(time)
                .endpoint(ollama("first", first).build())
                .endpoint(
                    ollama("second", second)
                        .maxConcurrent(1)
                        .maxWait(Duration.ofSeconds(5))
                        .build()));
    first.respondWith(OllamaReplies.status(400, "", ""));
    CompletableFuture<ChatResponse> holder = ask(client, Duration.ofHours(1));
    second.awaitFirstRequest();
    first.respondWith(OllamaReplies.hanging());

    CompletableFuture<ChatResponse> call = ask(client, Duration.ofSeconds(10));
    awaitSoon(() -> first.requests().size() == 2);
    second.respondWith(OllamaReplies.answering("SECOND"));
    time.advance(Duration.ofSeconds(5));
    holder.cancel(true);

    assertThat(call.get().text()).isEqualTo("SECOND");
    assertThat(secondsPerAttempt(attemptsOf(call))).startsWith(5L);
  }

  /** A place is had when 60 ms are left: in that nobody answers, and the node works in vain. */
  @Test
  void noRequestIsSentWithTooLittleTime() throws Exception {
    LlmClient client =
        loopback.client(
            ClientInternals.builder(time)
                .endpoint(ollama("first", first).maxConcurrent(1).build()));
    CompletableFuture<ChatResponse> holder = ask(client, Duration.ofHours(1));
    first.awaitFirstRequest();
    int clocks = time.pendingTasks();
    CompletableFuture<ChatResponse> call = ask(client, Duration.ofSeconds(10));
    awaitSoon(() -> time.pendingTasks() == clocks + 1);

    time.advance(Duration.ofMillis(9_940));
    holder.cancel(true);

    Attempt last = attemptsOf(call).get(attemptsOf(call).size() - 1);
    assertThat(last.failure()).contains(FailureKind.DEADLINE_EXCEEDED);
    assertThat(last.message()).isEqualTo("the deadline left it 60 ms, too little to ask");
    assertThat(first.requests()).hasSize(1);
    assertThat(primaryState(client)).isEqualTo(EndpointState.UP);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 5, 2000})
  void aDeadlineThatHasPassedIsNamedAndNotAShareOfIt(int millis) throws Exception {
    LlmClient client =
        loopback.client(ClientInternals.builder(time).endpoint(ollama("first", first).build()));
    CompletableFuture<ChatResponse> call = ask(client, Duration.ofMillis(millis));
    first.awaitFirstRequest();
    CompletableFuture<ChatResponse> streamed =
        CompletableFuture.supplyAsync(
            () -> client.stream(within(Duration.ofMillis(millis))).response());
    awaitSoon(() -> first.requests().size() == 2);

    time.advance(Duration.ofMillis(millis));

    assertThatThrownBy(call::get)
        .cause()
        .isInstanceOfSatisfying(
            AllEndpointsFailedException.class,
            e -> assertThat(e.failure()).contains(FailureKind.DEADLINE_EXCEEDED))
        .hasMessageContaining(
            "no complete answer in " + millis + " ms, and the deadline has passed")
        .hasMessageEndingWith("#deadline-exceeded");
    assertThatThrownBy(streamed::get)
        .hasMessageContaining("no first token in " + millis + " ms, and the deadline has passed");
    assertThat(primaryState(client)).isEqualTo(EndpointState.UP);
  }

  @Test
  void whoseClockComesLateIsToldThatAllTheDeadlineHasPassed() throws Exception {
    CompletableFuture<ChatResponse> call =
        ask(loopback.client(threeNodes()), Duration.ofMillis(30));
    first.awaitFirstRequest();

    time.suspendProcess(Duration.ofMillis(34));
    time.advance(Duration.ZERO);

    assertThat(attemptsOf(call))
        .extracting(Attempt::message)
        .containsExactly(
            "no complete answer in 34 ms, and the deadline has passed",
            "the deadline left no time for it",
            "the deadline left no time for it");
  }

  @ParameterizedTest
  @ValueSource(ints = {9_950, 10_000, 30_000})
  void aListenerThatTakesADeadlineLeavesNothingToSend(int millis) throws Exception {
    LlmClient client =
        loopback.client(
            ClientInternals.builder(time)
                .endpoint(ollama("first", first).build())
                .listener(
                    new LlmListener() {
                      @Override
                      public void onAttemptStarted(long call, String endpoint, String model) {
                        time.advance(Duration.ofMillis(millis));
                      }
                    }));

    List<Attempt> attempts = attemptsOf(ask(client, Duration.ofSeconds(10)));

    assertThat(attempts)
        .singleElement()
        .satisfies(
            attempt -> {
              assertThat(attempt.failure()).contains(FailureKind.DEADLINE_EXCEEDED);
              assertThat(attempt.message()).startsWith("the deadline left ");
              assertThat(attempt.elapsed()).isEqualTo(Duration.ofMillis(millis));
            });
    assertThat(first.requests()).isEmpty();
  }

  @Test
  void aShortDeadlineIsNotTooLittleTime() {
    first.respondWith(OllamaReplies.answering("FIRST"));

    assertThat(loopback.client(threeNodes()).chat(within(Duration.ofMillis(30))).text())
        .isEqualTo("FIRST");
  }

  @Test
  void aFunctionIsAskedWithTooLittleTimeToo() throws Exception {
    LlmClient client =
        loopback.client(
            ClientInternals.builder(time)
                .endpoint(ollama("first", first).build())
                .endpoint(template())
                .listener(
                    new LlmListener() {
                      @Override
                      public void onAttemptEnded(long call, Attempt attempt) {
                        if (attempt.endpoint().equals("first")) {
                          time.advance(Duration.ofMillis(990));
                        }
                      }
                    }));
    CompletableFuture<ChatResponse> call = ask(client, Duration.ofSeconds(10));

    passes(first, Duration.ofSeconds(9));

    assertThat(call.get().text()).isEqualTo("TEMPLATE");
  }
}
