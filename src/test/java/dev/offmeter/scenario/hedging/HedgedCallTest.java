// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.hedging;

import static dev.offmeter.testing.Loopback.awaitSoon;
import static dev.offmeter.testing.Loopback.ollama;
import static dev.offmeter.testing.TwoNodes.primaryState;
import static dev.offmeter.testing.TwoNodes.primaryStatus;
import static dev.offmeter.testing.TwoNodes.template;
import static java.lang.Thread.State.WAITING;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.offmeter.AllEndpointsFailedException;
import dev.offmeter.Attempt;
import dev.offmeter.ChatEvent;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.ClientInternals;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.LlmException;
import dev.offmeter.Locality;
import dev.offmeter.StreamRecovery;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.testing.InterruptibleCaller;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.TwoNodes;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.function.Consumer;
import okhttp3.Call;
import okhttp3.Connection;
import okhttp3.EventListener;
import okhttp3.HttpUrl;
import okhttp3.OkHttpClient;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A second endpoint is asked while the first is silent. */
@Timeout(20)
class HedgedCallTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final ChatRequest REQUEST = ChatRequest.builder().user("a reminder").build();

  private final List<String> events = new CopyOnWriteArrayList<>();
  private volatile Runnable whenAnswered = () -> {};
  private final TwoNodes nodes = TwoNodes.inManualTime(loopback);
  private final ManualTime time = nodes.time();
  private final Node primary = nodes.primary().respondWith(OllamaReplies.hanging());
  private final Node fallback = nodes.fallback();

  private LlmClient.Builder builder() {
    return nodes.builder().hedgeAfter(Duration.ofSeconds(2)).listener(listener());
  }

  private LlmListener listener() {
    return new LlmListener() {
      @Override
      public void onAttemptStarted(long call, String endpoint, String model) {
        events.add("started " + endpoint);
      }

      @Override
      public void onAttemptSkipped(long call, Attempt attempt) {
        events.add("skipped " + attempt.endpoint());
      }

      @Override
      public void onAttemptEnded(long call, Attempt attempt) {
        events.add("ended " + attempt.endpoint());
      }

      @Override
      public void onCallAnswered(long call, ChatResponse response) {
        events.add("answered by " + response.endpoint());
        whenAnswered.run();
      }

      @Override
      public void onCallFailed(long call, LlmException exception) {
        events.add("failed");
      }
    };
  }

  private LlmClient client() {
    return loopback.client(builder());
  }

  private CompletableFuture<ChatResponse> asks(LlmClient client, ChatRequest request) {
    int asked = primary.requests().size();
    CompletableFuture<ChatResponse> call = client.chatAsync(request);
    awaitSoon(() -> primary.requests().size() > asked);
    return call;
  }

  @Test
  void theNextIsAskedWhenTheFirstIsSilentAndTheFirstIsClosedWhenItAnswers() throws Exception {
    CompletableFuture<ChatResponse> call = asks(client(), REQUEST);
    time.advance(Duration.ofMillis(1999));
    assertThat(fallback.requests()).isEmpty();
    time.advance(Duration.ofMillis(1));

    ChatResponse response = call.get();

    assertThat(response.text()).isEqualTo("FALLBACK");
    assertThat(response.elapsed()).isEqualTo(Duration.ofSeconds(2));
    assertThat(response.attempts()).hasSize(2);
    assertThat(response.attempts().get(0).endpoint()).isEqualTo("primary");
    assertThat(response.attempts().get(0).failure()).contains(FailureKind.CANCELLED);
    assertThat(response.attempts().get(0).message()).isEqualTo("another endpoint answered first");
    assertThat(response.attempts().get(0).elapsed()).isEqualTo(Duration.ofSeconds(2));
    awaitSoon(() -> primary.openConnections() == 0);
    assertThat(events)
        .containsExactly(
            "started primary",
            "started fallback",
            "ended primary",
            "ended fallback",
            "answered by fallback");
  }

  @Test
  void theFirstMayStillBeFirst() throws Exception {
    CountDownLatch hedged = new CountDownLatch(1);
    primary.respondWith(
        (connection, request) -> {
          awaitQuietly(hedged);
          OllamaReplies.answering("PRIMARY").answer(connection, request);
        });
    fallback.respondWith(
        (connection, request) -> {
          hedged.countDown();
          connection.hang();
        });
    CompletableFuture<ChatResponse> call = asks(client(), REQUEST);
    time.advance(Duration.ofSeconds(2));

    assertThat(call.get().endpoint()).isEqualTo("primary");
    assertThat(call.get().attempts())
        .extracting(Attempt::endpoint)
        .containsExactly("fallback", "primary");
    awaitSoon(() -> fallback.openConnections() == 0);
    assertThat(events).hasSize(5).endsWith("answered by primary");
  }

  @Test
  void aFirstThatConnectsWhenItHasBeenCountedAsUnsentSendsNothing() throws Exception {
    CountDownLatch connected = new CountDownLatch(1);
    CountDownLatch ended = new CountDownLatch(1);
    CountDownLatch sentOrFailed = new CountDownLatch(1);
    EventListener ofPrimary =
        new EventListener() {
          @Override
          public void connectionAcquired(Call call, Connection connection) {
            connected.countDown();
            awaitQuietly(ended);
          }

          @Override
          public void requestBodyEnd(Call call, long byteCount) {
            sentOrFailed.countDown();
          }

          @Override
          public void callFailed(Call call, IOException e) {
            sentOrFailed.countDown();
          }
        };
    int port = HttpUrl.get(primary.url()).port();
    OkHttpClient http =
        new OkHttpClient.Builder()
            .eventListenerFactory(
                call -> call.request().url().port() == port ? ofPrimary : new EventListener() {})
            .build();
    LlmListener whenCounted =
        new LlmListener() {
          @Override
          public void onAttemptEnded(long call, Attempt attempt) {
            if (attempt.endpoint().equals("primary")) {
              ended.countDown();
              awaitQuietly(sentOrFailed);
            }
          }
        };
    LlmClient client =
        loopback.client(
            nodes
                .builder()
                .hedgeAfter(Duration.ofSeconds(1))
                .httpClient(http)
                .listener(whenCounted));
    CompletableFuture<ChatResponse> call = client.chatAsync(REQUEST);
    connected.await();
    time.advance(Duration.ofSeconds(1));

    assertThat(call.get().endpoint()).isEqualTo("fallback");
    assertThat(call.get().attempts().get(0).possiblyBilled()).isFalse();
    assertThat(primary.requests()).isEmpty();
    awaitSoon(() -> client.status().endpoints().get(0).inFlight() == 0);
    assertThat(client.status().endpoints().get(0).state()).isEqualTo(EndpointState.UP);
    assertThat(
            client
                .resilience4j()
                .circuitBreakers()
                .circuitBreaker("primary")
                .getMetrics()
                .getNumberOfFailedCalls())
        .isZero();
  }

  @Test
  void aFirstThatHasBegunIsNotHedged() throws Exception {
    CountDownLatch goOn = new CountDownLatch(1);
    CountDownLatch begun = new CountDownLatch(1);
    primary.respondWith(
        (connection, request) -> {
          connection.send(OllamaReplies.STREAM_HEAD + OllamaReplies.tokens("PRI"));
          begun.countDown();
          awaitQuietly(goOn);
          connection.send(
              OllamaReplies.tokens("MARY")
                  + OllamaReplies.end("stop", 2)
                  + OllamaReplies.LAST_CHUNK);
        });
    LlmClient client = client();
    CompletableFuture<ChatResponse> call = asks(client, REQUEST);
    begun.await();
    awaitSoon(() -> client.status().endpoints().get(0).inFlight() == 1);
    goOn.countDown();

    assertThat(call.get().text()).isEqualTo("PRIMARY");
    time.advance(Duration.ofSeconds(5));
    assertThat(fallback.requests()).isEmpty();
  }

  @Test
  void anEndpointThatTheRequestForbidsIsNotAsked() throws Exception {
    LlmClient client =
        loopback.client(
            ClientInternals.builder(time)
                .endpoint(ollama("primary", primary).build())
                .endpoint(ollama("managed", fallback).locality(Locality.MANAGED).build())
                .hedgeAfter(Duration.ofSeconds(2)));
    CompletableFuture<ChatResponse> call =
        asks(client, REQUEST.toBuilder().selfHostedOnly().build());
    time.advance(Duration.ofSeconds(15));

    assertThatThrownBy(call::get).hasCauseInstanceOf(AllEndpointsFailedException.class);
    assertThat(fallback.requests()).isEmpty();
  }

  @Test
  void aFunctionIsTheLastResortAndNoHedge() throws Exception {
    LlmClient client =
        loopback.client(
            ClientInternals.builder(time)
                .endpoint(ollama("primary", primary).build())
                .endpoint(template())
                .hedgeAfter(Duration.ofSeconds(2)));
    CompletableFuture<ChatResponse> call = asks(client, REQUEST);
    time.advance(Duration.ofMillis(14_999));
    assertThat(call).isNotDone();
    time.advance(Duration.ofMillis(1));

    assertThat(call.get().text()).isEqualTo("TEMPLATE");
  }

  @ParameterizedTest
  @ValueSource(doubles = {0.1, 0.5})
  void noMoreThanAShareOfTheCallsIsHedged(double share) throws Exception {
    LlmClient client = loopback.client(builder().maxHedgedShare(share));
    List<CompletableFuture<ChatResponse>> calls = new ArrayList<>();
    for (int i = 0; i < 20; i++) {
      calls.add(asks(client, REQUEST));
    }
    time.advance(Duration.ofSeconds(2));
    int hedged = 1 + (int) (20 * share);
    awaitSoon(() -> calls.stream().filter(CompletableFuture::isDone).count() >= hedged - 1);

    calls.forEach(call -> call.cancel(true));
    assertThat(fallback.requests()).hasSizeBetween(hedged - 1, hedged);
  }

  @Test
  void ifBothFailTheCallGoesOn() throws Exception {
    Node third = loopback.node(OllamaReplies.answering("THIRD"));
    fallback.respondWith(OllamaReplies.status(500, "", ""));
    LlmClient client = loopback.client(builder().endpoint(ollama("third", third).build()));
    CompletableFuture<ChatResponse> call = asks(client, REQUEST);
    time.advance(Duration.ofSeconds(2));
    awaitSoon(() -> events.contains("ended fallback"));
    time.advance(Duration.ofSeconds(13));

    assertThat(call.get().endpoint()).isEqualTo("third");
    assertThat(call.get().attempts())
        .extracting(Attempt::endpoint)
        .containsExactly("fallback", "primary", "third");
  }

  @Test
  void aFirstThatFailsLeavesTheCallWithTheSecond() throws Exception {
    CountDownLatch answer = new CountDownLatch(1);
    fallback.respondWith(
        (connection, request) -> {
          awaitQuietly(answer);
          OllamaReplies.answering("FALLBACK").answer(connection, request);
        });
    CompletableFuture<ChatResponse> call = asks(client(), REQUEST);
    time.advance(Duration.ofSeconds(2));
    fallback.awaitFirstRequest();
    time.advance(Duration.ofSeconds(13));
    awaitSoon(() -> events.contains("ended primary"));
    answer.countDown();

    assertThat(call.get().endpoint()).isEqualTo("fallback");
    assertThat(fallback.requests()).as("asked once").hasSize(1);
  }

  @Test
  void aRefusalOfTheSecondEndsTheCall() throws Exception {
    fallback.respondWith(
        OllamaReplies.status(
            400,
            "application/json",
            "{\"error\":{\"code\":\"content_filter\",\"message\":\"no\"}}"));
    CompletableFuture<ChatResponse> call = asks(client(), REQUEST);
    time.advance(Duration.ofSeconds(2));

    assertThatThrownBy(call::get)
        .cause()
        .isInstanceOf(LlmException.class)
        .hasMessageContaining("'fallback' refuses");
    assertThat(events).filteredOn("failed"::equals).hasSize(1);
    awaitSoon(() -> primary.openConnections() == 0);
  }

  @Test
  void anInterruptEndsBoth() throws Exception {
    fallback.respondWith(OllamaReplies.hanging());
    InterruptibleCaller caller = InterruptibleCaller.start(client(), REQUEST);
    primary.awaitFirstRequest();
    time.advance(Duration.ofSeconds(2));
    fallback.awaitFirstRequest();

    caller.interrupt();

    assertThat(caller.thrown()).isInstanceOf(LlmException.class);
    awaitSoon(() -> primary.openConnections() + fallback.openConnections() == 0);
    awaitSoon(() -> events.size() == 5);
    assertThat(events).endsWith("failed");
  }

  private List<String> outcomes() {
    return events.stream().filter(e -> e.startsWith("answered") || e.equals("failed")).toList();
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aCallThatIsCancelledAsItsAnswerIsToldHasThatOneOutcome(boolean firstHasFailed)
      throws Exception {
    CountDownLatch answer = new CountDownLatch(1);
    fallback.respondWith(answeringAfter(answer, "FALLBACK"));
    LlmClient client = client();
    CompletableFuture<ChatResponse> call = asks(client, REQUEST);
    whenAnswered = () -> call.cancel(true);
    time.advance(Duration.ofSeconds(2));
    fallback.awaitFirstRequest();
    if (firstHasFailed) {
      time.advance(Duration.ofSeconds(13));
      awaitSoon(() -> events.contains("ended primary"));
    }

    answer.countDown();

    awaitSoon(() -> call.isDone() && ClientInternals.activeCalls(client) == 0);
    assertThat(call).isCancelled();
    assertThat(outcomes()).containsExactly("answered by fallback");
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aCallerWhoIsInterruptedAsTheAnswerIsToldGetsIt(boolean firstHasFailed) throws Exception {
    assertGetsTheAnswerAllTheSame(client(), Thread::interrupt, firstHasFailed);
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aCallerWhoseClientIsClosedAsTheAnswerIsToldGetsIt(boolean firstHasFailed) throws Exception {
    LlmClient client = client();
    assertGetsTheAnswerAllTheSame(client, caller -> client.close(), firstHasFailed);
  }

  private void assertGetsTheAnswerAllTheSame(
      LlmClient client, Consumer<Thread> end, boolean firstHasFailed) throws Exception {
    CompletableFuture<ChatResponse> call = new CompletableFuture<>();
    Thread caller = new Thread(() -> call.completeAsync(() -> client.chat(REQUEST), Runnable::run));
    whenAnswered = () -> end.accept(caller);
    CountDownLatch answer = new CountDownLatch(1);
    fallback.respondWith(answeringAfter(answer, "FALLBACK"));
    caller.start();
    primary.awaitFirstRequest();
    time.advance(Duration.ofSeconds(2));
    fallback.awaitFirstRequest();
    if (firstHasFailed) {
      time.advance(Duration.ofSeconds(13));
      awaitSoon(() -> events.contains("ended primary") && caller.getState() == WAITING);
    }

    answer.countDown();

    assertThat(call.get().endpoint()).isEqualTo("fallback");
    assertThat(outcomes()).containsExactly("answered by fallback");
  }

  private static Node.Script answeringAfter(CountDownLatch latch, String text) {
    return (connection, request) -> {
      awaitQuietly(latch);
      OllamaReplies.answering(text).answer(connection, request);
    };
  }

  private static final Node.Script REFUSING =
      OllamaReplies.status(400, "application/json", "{\"error\":\"not this one\"}");

  /** Takes the one slot of a node's endpoint with a stream whose reader rests. */
  private static ChatStream occupy(LlmClient client, Node node) {
    node.respondWith(
        (connection, request) -> {
          connection.send(OllamaReplies.STREAM_HEAD + OllamaReplies.tokens("Dear ", "all"));
          connection.hang();
        });
    ChatStream stream =
        client.stream(REQUEST.toBuilder().onBrokenStream(StreamRecovery.RESTART).build());
    assertThat(stream.iterator().next()).isInstanceOf(ChatEvent.TextDelta.class);
    return stream;
  }

  /** Has the hedge wait for a slot at the fallback, at most 20 s, while the primary is silent. */
  private CompletableFuture<ChatResponse> hedgeWaitingForASlot(LlmClient client) {
    primary.respondWith(OllamaReplies.hanging());
    events.clear();
    CompletableFuture<ChatResponse> call = asks(client, REQUEST);
    int clocks = time.pendingTasks();
    time.advance(Duration.ofSeconds(2));
    awaitSoon(() -> time.pendingTasks() > clocks);
    return call;
  }

  private LlmClient clientOfThree(Node third) {
    primary.respondWith(REFUSING);
    fallback.respondWith(REFUSING);
    return loopback.client(
        ClientInternals.withTime(LlmClient.builder(), time)
            .endpoint(ollama("primary", primary).build())
            .endpoint(
                ollama("fallback", fallback)
                    .maxConcurrent(1)
                    .maxWait(Duration.ofSeconds(20))
                    .build())
            .endpoint(ollama("third", third).maxConcurrent(1).build())
            .hedgeAfter(Duration.ofSeconds(2))
            .listener(listener()));
  }

  @Test
  void slotsThatTheHedgeFoundTakenAreWaitedForWhenItHasGivenUp() throws Exception {
    Node third = loopback.node(REFUSING);
    LlmClient client = clientOfThree(third);
    ChatStream atThird = occupy(client, third);
    ChatStream atFallback = occupy(client, fallback);
    third.respondWith(OllamaReplies.answering("THIRD"));
    CompletableFuture<ChatResponse> call = hedgeWaitingForASlot(client);
    time.advance(Duration.ofSeconds(13));
    awaitSoon(() -> events.contains("ended primary"));
    assertThat(events).as("the hedge still waits").doesNotContain("skipped fallback");
    time.advance(Duration.ofSeconds(7));
    awaitSoon(() -> events.contains("skipped third"));
    assertThat(call).isNotDone();

    atThird.close();

    assertThat(call.get().attempts())
        .extracting(Attempt::endpoint)
        .containsExactly("primary", "fallback", "third", "third");
    assertThat(client.status().endpoints().get(1).inFlight()).as("the other stream").isOne();
    atFallback.close();
  }

  @Test
  void aCallThatIsCancelledWhileItsHedgeWaitsForASlotTakesNone() {
    Node third = loopback.node(REFUSING);
    LlmClient client = clientOfThree(third);
    ChatStream atThird = occupy(client, third);
    ChatStream atFallback = occupy(client, fallback);
    CompletableFuture<ChatResponse> call = hedgeWaitingForASlot(client);
    call.cancel(true);
    awaitSoon(() -> ClientInternals.activeCalls(client) == 2);

    atThird.close();
    atFallback.close();

    awaitSoon(() -> client.status().endpoints().stream().allMatch(each -> each.inFlight() == 0));
    awaitSoon(() -> ClientInternals.activeCalls(client) == 0);
    assertThat(outcomes()).as("of the call and both streams").hasSize(3).containsOnly("failed");
  }

  private LlmClient clientWithAPrimaryOnTrial() {
    return withThePrimaryOnTrial(client());
  }

  private LlmClient withThePrimaryOnTrial(LlmClient client) {
    primary.respondWith(OllamaReplies.status(530, "text/plain", "error code: 1033"));
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("fallback");
    time.advance(Duration.ofSeconds(18));
    events.clear();
    return client;
  }

  private static EndpointState state(LlmClient client) {
    return primaryState(client);
  }

  @Test
  void aHalfOpenTrialIsHedgedAtOnceAndTheNextOneIsHeardToItsEnd() throws Exception {
    LlmClient client = clientWithAPrimaryOnTrial();
    primary.respondWith(OllamaReplies.hanging());

    ChatResponse response = client.chat(REQUEST);

    assertThat(response.endpoint()).isEqualTo("fallback");
    assertThat(response.elapsed()).isZero();
    assertThat(events).startsWith("started primary").endsWith("answered by fallback").hasSize(5);
    awaitSoon(() -> primary.openConnections() == 0);
    assertThat(state(client)).as("nothing is known of it").isEqualTo(EndpointState.TRIAL);

    primary.respondWith(OllamaReplies.answering("PRIMARY"));
    events.clear();
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("primary");
    assertThat(events).doesNotContain("started fallback");
    assertThat(state(client)).isEqualTo(EndpointState.UP);
  }

  @Test
  void aTrialAfterAHedgedOneMayBeSlowerThanAHedge() throws Exception {
    LlmClient client = clientWhoseTrialWasHedged();
    CountDownLatch answer = new CountDownLatch(1);
    primary.respondWith(answeringAfter(answer, "PRIMARY"));

    CompletableFuture<ChatResponse> call = asks(client, REQUEST);
    time.advance(Duration.ofSeconds(10));
    answer.countDown();

    assertThat(call.get().endpoint()).isEqualTo("primary");
    assertThat(events).doesNotContain("started fallback");
    assertThat(state(client)).isEqualTo(EndpointState.UP);
  }

  @Test
  void aTrialAfterAHedgedOneThatHangsTakesItDownAndTheNextIsHedgedAgain() throws Exception {
    LlmClient client = clientWhoseTrialWasHedged();

    CompletableFuture<ChatResponse> call = asks(client, REQUEST);
    time.advance(Duration.ofSeconds(15));

    assertThat(call.get().endpoint()).isEqualTo("fallback");
    assertThat(events).startsWith("started primary", "ended primary", "started fallback");
    assertThat(state(client)).isEqualTo(EndpointState.DOWN);
    time.advance(Duration.ofMinutes(2));
    events.clear();
    assertThat(client.chat(REQUEST).elapsed()).isZero();
    assertThat(events).contains("started primary", "answered by fallback");
  }

  /** Returns a client that may hedge each call. */
  private LlmClient clientWhoseTrialWasHedged() {
    LlmClient client = withThePrimaryOnTrial(loopback.client(builder().maxHedgedShare(1)));
    primary.respondWith(OllamaReplies.hanging());
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("fallback");
    awaitSoon(() -> primaryStatus(client).inFlight() == 0);
    events.clear();
    return client;
  }

  @Test
  void aHedgeOfATrialCountsInTheShare() {
    LlmClient client = withThePrimaryOnTrial(loopback.client(builder().maxHedgedShare(0.01)));
    CountDownLatch asked = new CountDownLatch(1);
    primary.respondWith(
        (connection, request) -> {
          asked.countDown();
          connection.hang();
        });
    fallback.respondWith(
        (connection, request) -> {
          awaitQuietly(asked);
          OllamaReplies.answering("FALLBACK").answer(connection, request);
        });
    assertThat(client.chat(REQUEST).endpoint()).as("hedged").isEqualTo("fallback");
    cancelWhenAsked(client);

    cancelWhenAsked(client);

    assertThat(primary.requests()).hasSize(4);
    assertThat(fallback.requests()).as("of the first two calls").hasSize(2);
  }

  private void cancelWhenAsked(LlmClient client) {
    awaitSoon(() -> client.status().endpoints().get(0).inFlight() == 0);
    CompletableFuture<ChatResponse> call = asks(client, REQUEST);
    call.cancel(true);
    awaitSoon(() -> client.status().endpoints().get(0).inFlight() == 0);
  }

  private static Node.Script busy(int seconds) {
    return OllamaReplies.status(429, "text/plain", "busy", "Retry-After: " + seconds);
  }

  @Test
  void aCallWhoseOnlyHopeIsItsTrialWaitsForIt() throws Exception {
    primary.respondWith(busy(30));
    fallback.respondWith(busy(10));
    LlmClient client = client();
    assertThatThrownBy(() -> client.chat(REQUEST)).isInstanceOf(LlmException.class);
    time.advance(Duration.ofSeconds(25));
    fallback.respondWith(OllamaReplies.hanging());
    CompletableFuture<ChatResponse> other = client.chatAsync(REQUEST);
    awaitSoon(() -> fallback.requests().size() == 2);
    time.advance(Duration.ofSeconds(6));
    CountDownLatch answer = new CountDownLatch(1);
    primary.respondWith(
        (connection, request) -> {
          awaitQuietly(answer);
          OllamaReplies.answering("PRIMARY").answer(connection, request);
        });

    CompletableFuture<ChatResponse> call = client.chatAsync(REQUEST);
    awaitSoon(() -> primary.requests().size() == 2);
    answer.countDown();

    assertThat(call.get().endpoint()).isEqualTo("primary");
    other.cancel(true);
  }

  @Test
  void aTrialThatFailsTakesItDownWhileTheHedgeAnswers() throws Exception {
    CountDownLatch failed = new CountDownLatch(1);
    LlmClient client = clientWithAPrimaryOnTrial();
    primary.respondWith(OllamaReplies.status(530, "text/plain", "error code: 1033"));
    fallback.respondWith(
        (connection, request) -> {
          awaitQuietly(failed);
          OllamaReplies.answering("FALLBACK").answer(connection, request);
        });

    CompletableFuture<ChatResponse> call = client.chatAsync(REQUEST);
    awaitSoon(() -> state(client) == EndpointState.DOWN);
    failed.countDown();

    assertThat(call.get().endpoint()).isEqualTo("fallback");
  }

  @Test
  void aTrialMayAnswerFirst() throws Exception {
    LlmClient client = clientWithAPrimaryOnTrial();
    primary.respondWith(OllamaReplies.answering("PRIMARY"));
    fallback.respondWith(OllamaReplies.hanging());

    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("primary");

    awaitSoon(() -> fallback.activeCalls() == 0);
    assertThat(state(client)).isEqualTo(EndpointState.UP);
  }

  @Test
  void anAnswerInTheShapeOfARecordIsTheWinnersOwn() throws Exception {
    fallback.respondWith(OllamaReplies.answering("{\\\"subject\\\":\\\"from the fallback\\\"}"));
    LlmClient client = client();
    CompletableFuture<ChatResponse.Structured<Draft>> call =
        CompletableFuture.supplyAsync(() -> client.chat(REQUEST, Draft.class));
    primary.awaitFirstRequest();
    time.advance(Duration.ofSeconds(2));

    assertThat(call.get().value()).isEqualTo(new Draft("from the fallback"));
  }

  record Draft(String subject) {}

  @Test
  void aShareWithoutHedgingIsRejected() {
    LlmClient.Builder builder =
        LlmClient.builder().endpoint(ollama("primary", primary).build()).maxHedgedShare(0.2);

    assertThatThrownBy(builder::build)
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("maxHedgedShare must have a hedgeAfter: hedging is off");
    assertThatThrownBy(() -> builder.maxHedgedShare(0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("maxHedgedShare must be more than 0 and at most 1, was 0.0");
  }

  private static void awaitQuietly(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }
}
