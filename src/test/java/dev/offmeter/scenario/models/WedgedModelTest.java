// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.models;

import static dev.offmeter.testing.Loopback.awaitSoon;
import static dev.offmeter.testing.Loopback.ollama;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.offmeter.ChatEvent;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.Dialect;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.Locality;
import dev.offmeter.observe.EndpointChange;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.observe.EndpointStatus;
import dev.offmeter.testing.ChangeRecorder;
import dev.offmeter.testing.Connection;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.SocketReader;
import dev.offmeter.testing.TwoNodes;
import java.io.IOException;
import java.time.Duration;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Semaphore;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A server that answers each health check and no call. */
@Timeout(20)
class WedgedModelTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final ChatRequest REQUEST = ChatRequest.builder().user("a reminder").build();

  /** The time limit of an attempt at the first endpoint. */
  private static final Duration LIMIT = Duration.ofSeconds(15);

  private final List<EndpointChange> changes = new CopyOnWriteArrayList<>();
  private final TwoNodes nodes = TwoNodes.inManualTime(loopback);
  private final ManualTime time = nodes.time();
  private final Node primary =
      nodes.primary().respondWith(OllamaReplies.hanging()).respondToProbesWith(this::answerProbe);
  private final Node fallback = nodes.fallback();
  private volatile boolean resident = true;

  private void answerProbe(Connection connection, Connection.Request request) throws IOException {
    boolean unloads = request.body().contains("\"keep_alive\":0");
    if (request.line().startsWith("POST")) {
      resident = !unloads;
    }
    Node.Script answer =
        unloads
            ? OllamaReplies.status(
                200, "application/json", "{\"done\":true,\"done_reason\":\"unload\"}")
            : resident
                ? OllamaReplies.probes(OllamaReplies.loadCompleted(), "primary-model:latest")
                : OllamaReplies.probes(OllamaReplies.loadCompleted());
    answer.answer(connection, request);
  }

  private LlmClient client(UnaryOperator<Endpoint.Builder> more) {
    return clientOf(more.apply(ollama("primary", primary)));
  }

  private LlmClient clientOf(Endpoint.Builder endpoint) {
    return loopback.client(nodes.builder(endpoint).listener(ChangeRecorder.recordInto(changes)));
  }

  private static EndpointStatus status(LlmClient client) {
    return TwoNodes.primaryStatus(client);
  }

  /** Lets time pass, and health checks come as far as they can. */
  private void pass(Duration duration) {
    for (long left = duration.toMillis(); left > 0; left -= 500) {
      time.advance(Duration.ofMillis(Math.min(left, 500)));
      awaitSoon(() -> !time.isProbing());
    }
  }

  /** A call that waits out its limit there, if it is let in. */
  private ChatResponse ask(LlmClient client, ChatRequest request) throws Exception {
    return ask(client, request, LIMIT);
  }

  private ChatResponse ask(LlmClient client, ChatRequest request, Duration limit) throws Exception {
    int before = primary.requests().size();
    CompletableFuture<ChatResponse> call = client.chatAsync(request);
    awaitSoon(() -> call.isDone() || primary.requests().size() > before);
    if (!call.isDone()) {
      pass(limit);
    }
    ChatResponse response = call.get();
    awaitSoon(() -> !time.isProbing());
    return response;
  }

  private void assertWedged(LlmClient client) {
    awaitSoon(() -> status(client).cause().filter(FailureKind.WEDGED::equals).isPresent());
    assertThat(status(client).state()).isEqualTo(EndpointState.DOWN);
    assertThat(status(client).message())
        .endsWith("the model hangs until it is unloaded, or another client keeps it busy");
  }

  private long unloads() {
    return primary.probes().stream().filter(a -> a.body().contains("\"keep_alive\":0")).count();
  }

  @Test
  void twoCallsWithoutAByteAtAServerThatIsWellAreAWedge() throws Exception {
    LlmClient client = client(e -> e);

    ask(client, REQUEST);
    assertThat(status(client).state()).as("one call says nothing").isEqualTo(EndpointState.UP);
    ask(client, REQUEST);

    assertWedged(client);
    ChatResponse next = client.chat(REQUEST);
    assertThat(next.attempts().get(0).failure()).contains(FailureKind.CIRCUIT_OPEN);
    assertThat(next.attempts().get(0).message()).contains("WEDGED");
    assertThat(unloads()).as("not without leave").isZero();
  }

  @ParameterizedTest
  @EnumSource(names = {"VLLM", "LLAMA_SERVER", "OLLAMA"})
  void soTheyAreBehindOpenAisApiWhereNoTokenTellsOfALoad(Dialect dialect) throws Exception {
    LlmClient client =
        clientOf(
            Endpoint.openAi("primary", primary.url())
                .model("primary-model")
                .dialect(dialect)
                .omit("max_tokens", "max_completion_tokens"));
    primary.respondToProbesWith(
        (connection, request) -> {
          boolean isCheck = !request.line().contains("/api/");
          Node.Script models =
              OllamaReplies.status(
                  200, "application/json", "{\"data\":[{\"id\":\"primary-model\"}]}");
          if (isCheck) {
            models.answer(connection, request);
          } else {
            answerProbe(connection, request);
          }
        });

    ask(client, REQUEST);
    ask(client, REQUEST);

    assertWedged(client);
  }

  @Test
  void healthChecksThatAreWellDoNotBringItBackAndItsBackOffGrows() throws Exception {
    LlmClient client = client(e -> e);
    ask(client, REQUEST);
    ask(client, REQUEST);
    assertWedged(client);

    pass(Duration.ofSeconds(11));
    assertThat(status(client).state()).isEqualTo(EndpointState.DOWN);
    pass(Duration.ofSeconds(8));
    ChatResponse trial = ask(client, REQUEST);

    assertThat(trial.attempts().get(0).failure()).contains(FailureKind.WEDGED);
    assertWedgedLikeBefore(client);
    pass(Duration.ofSeconds(23));
    assertThat(client.chat(REQUEST).attempts().get(0).failure()).contains(FailureKind.CIRCUIT_OPEN);
  }

  private void assertWedgedLikeBefore(LlmClient client) {
    assertThat(status(client).state()).isEqualTo(EndpointState.DOWN);
    assertThat(status(client).cause()).contains(FailureKind.WEDGED);
  }

  @Test
  void aTrialThatIsAnsweredEndsIt() throws Exception {
    LlmClient client = client(e -> e);
    ask(client, REQUEST);
    ask(client, REQUEST);
    assertWedged(client);
    primary.respondWith(answeringOnce());
    pass(Duration.ofSeconds(19));

    assertThat(client.chat(REQUEST).text()).isEqualTo("PRIMARY");
    assertThat(status(client).state()).isEqualTo(EndpointState.UP);
    primary.respondWith(OllamaReplies.hanging());
    assertThat(ask(client, REQUEST).attempts().get(0).failure())
        .as("it has to be found out anew")
        .contains(FailureKind.ATTEMPT_TIMEOUT);
  }

  @Test
  void aModelThatAPersonHasUnloadedIsLoadedAndUsedAgain() throws Exception {
    LlmClient client = client(e -> e);
    ask(client, REQUEST);
    ask(client, REQUEST);
    assertWedged(client);
    primary.respondWith(OllamaReplies.answering("PRIMARY"));
    resident = false;

    pass(Duration.ofSeconds(4));

    assertThat(client.chat(REQUEST).text()).isEqualTo("PRIMARY");
  }

  @Test
  void itIsAskedOnceToUnloadTheModelWhereThatIsAllowed() throws Exception {
    LlmClient client = client(e -> e.unloadWhenWedged(true));
    ask(client, REQUEST);
    assertThat(unloads()).isZero();
    ask(client, REQUEST);
    awaitSoon(() -> unloads() == 1);
    assertThat(primary.probes().stream().filter(a -> a.body().contains("\"keep_alive\":0")))
        .singleElement()
        .satisfies(
            unload ->
                assertThat(unload.body())
                    .isEqualTo("{\"model\":\"primary-model\",\"stream\":false,\"keep_alive\":0}"));
    awaitSoon(() -> !time.isProbing());
    pass(Duration.ofSeconds(4));
    assertThat(resident).as("loaded anew").isTrue();

    for (int i = 0; i < 5; i++) {
      ask(client, REQUEST);
      pass(Duration.ofMinutes(1));
    }

    assertThat(unloads()).as("it was of no use").isEqualTo(1);
  }

  @Test
  void anUnloadThatHelpsIsFollowedByAnswersFromThere() throws Exception {
    LlmClient client = client(e -> e.unloadWhenWedged(true));
    ask(client, REQUEST);
    ask(client, REQUEST);
    awaitSoon(() -> unloads() == 1);
    primary.respondWith(OllamaReplies.answering("PRIMARY"));
    awaitSoon(() -> !time.isProbing());

    pass(Duration.ofSeconds(4));

    assertThat(client.chat(REQUEST).text()).isEqualTo("PRIMARY");
  }

  @Test
  void aPromptThatIsLongForThisServerIsNoSignOfAWedge() throws Exception {
    LlmClient client = client(e -> e);
    ChatRequest huge = ChatRequest.builder().user("a clause of a contract ".repeat(500)).build();

    ask(client, huge);
    ask(client, huge);

    assertThat(status(client).cause()).contains(FailureKind.ATTEMPT_TIMEOUT);
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void callersInAHurryFindNoWedgeAtAServerThatMayBeSlow(boolean byDeadline) throws Exception {
    LlmClient client = client(e -> byDeadline ? e : e.timeout(Duration.ofSeconds(4)));
    ChatRequest hurried =
        byDeadline ? REQUEST.toBuilder().deadline(Duration.ofSeconds(8)).build() : REQUEST;
    for (int i = 0; i < 4; i++) {
      int before = primary.requests().size();
      CompletableFuture<ChatResponse> call = client.chatAsync(hurried);
      awaitSoon(() -> call.isDone() || primary.requests().size() > before);
      if (!call.isDone()) {
        pass(Duration.ofSeconds(4));
      }
      assertThat(call.get().endpoint()).isEqualTo("fallback");
      awaitSoon(() -> !time.isProbing());
    }

    assertThat(changes).extracting(EndpointChange::cause).doesNotContain(FailureKind.WEDGED);
  }

  @Test
  void aServerThatIsUsuallyAlmostAsSlowIsNotWedged() throws Exception {
    LlmClient client = client(e -> e);
    Semaphore mayAnswer = new Semaphore(0);
    primary.respondWith(
        (connection, request) -> {
          mayAnswer.acquireUninterruptibly();
          answeringOnce().answer(connection, request);
        });
    CompletableFuture<ChatResponse> slow = client.chatAsync(REQUEST);
    primary.awaitFirstRequest();
    pass(Duration.ofSeconds(8));
    mayAnswer.release();
    assertThat(slow.get().text()).isEqualTo("PRIMARY");
    primary.respondWith(OllamaReplies.hanging());

    ask(client, REQUEST);
    ask(client, REQUEST);

    assertThat(status(client).cause()).contains(FailureKind.ATTEMPT_TIMEOUT);
  }

  @Test
  void callsThatWaitTogetherCountAsOne() throws Exception {
    LlmClient client = client(e -> e);
    CompletableFuture<ChatResponse> one = client.chatAsync(REQUEST);
    CompletableFuture<ChatResponse> two = client.chatAsync(REQUEST);
    awaitSoon(() -> primary.requests().size() == 2);
    pass(LIMIT);
    assertThat(one.get().endpoint()).isEqualTo("fallback");
    assertThat(two.get().endpoint()).isEqualTo("fallback");
    awaitSoon(() -> !time.isProbing());

    assertThat(status(client).state()).isEqualTo(EndpointState.DOWN);
    assertThat(status(client).cause()).contains(FailureKind.ATTEMPT_TIMEOUT);
  }

  /** Over a connection that is not kept, so that no request is sent anew over another. */
  private static Node.Script answeringOnce() {
    String reply =
        (OllamaReplies.STREAM_HEAD
                + OllamaReplies.tokens("PRIMARY")
                + OllamaReplies.end("stop", 1)
                + OllamaReplies.LAST_CHUNK)
            .replace("HTTP/1.1 200 OK", "HTTP/1.1 200 OK\r\nConnection: close");
    return (connection, request) -> {
      connection.send(reply);
      connection.close();
    };
  }

  @Test
  void aQueueInWhichOthersAreServedIsNoWedge() throws Exception {
    LlmClient client = client(e -> e);
    for (int i = 0; i < 3; i++) {
      primary.respondWith(OllamaReplies.hanging());
      int before = primary.requests().size();
      CompletableFuture<ChatResponse> waits = client.chatAsync(REQUEST);
      awaitSoon(() -> primary.requests().size() > before && primary.activeCalls() > 0);
      pass(Duration.ofSeconds(9));
      primary.respondWith(answeringOnce());
      assertThat(client.chat(REQUEST).text()).isEqualTo("PRIMARY");
      pass(Duration.ofSeconds(6));
      assertThat(waits.get().endpoint()).isEqualTo("fallback");
    }

    assertThat(changes).extracting(EndpointChange::cause).doesNotContain(FailureKind.WEDGED);
  }

  /** The server may still be busy with the older call's prompt or answer. */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void callsBehindAnOlderOneFindNoWedge(boolean streams) throws Exception {
    primary.respondWith(
        (connection, request) -> {
          OllamaReplies.answering("PRIMARY").answer(connection, request);
          // The next one is on a new connection, and so not sent once more.
          connection.close();
        });
    LlmClient client = client(e -> e.timeout(Duration.ofSeconds(40)).unloadWhenWedged(true));
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("primary");
    Semaphore answers = new Semaphore(0);
    ChatRequest hurried = REQUEST.toBuilder().deadline(Duration.ofSeconds(41)).build();
    ChatRequest longOne = ChatRequest.builder().user("long ".repeat(10_000)).build();
    primary.respondWith(
        (connection, request) -> {
          if (!request.body().contains("long long")) {
            connection.hang();
            return;
          }
          answers.acquireUninterruptibly();
          OllamaReplies.answering("LONG").answer(connection, request);
        });
    CompletableFuture<ChatResponse> early = client.chatAsync(hurried);
    awaitSoon(() -> primary.requests().size() > 1);
    pass(Duration.ofSeconds(3));
    CompletableFuture<ChatResponse> first =
        streams
            ? CompletableFuture.supplyAsync(() -> client.stream(longOne).response())
            : client.chatAsync(longOne);
    awaitSoon(() -> primary.requests().stream().anyMatch(r -> r.body().contains("long long")));
    pass(Duration.ofSeconds(18));
    assertThat(early.get().endpoint()).isEqualTo("fallback");
    int before = primary.requests().size();
    CompletableFuture<ChatResponse> late = client.chatAsync(hurried);
    awaitSoon(() -> primary.requests().size() > before);
    pass(Duration.ofSeconds(21));
    assertThat(late.get().endpoint()).isEqualTo("fallback");
    answers.release();

    assertThat(first.get().endpoint()).isEqualTo("primary");
    assertThat(changes).noneMatch(change -> change.cause() == FailureKind.WEDGED);
    assertThat(unloads()).isZero();
  }

  /**
   * The server's only slot may be taken by an answer that pauses, or that nobody reads for a while.
   */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void callsBehindAnAnswerThatIsComingFindNoWedge(boolean rests) throws Exception {
    Duration firstToken = Duration.ofSeconds(20);
    primary.respondWith(answeringOnce());
    LlmClient client =
        client(
            e ->
                e.timeout(Duration.ofMinutes(5))
                    .firstTokenTimeout(firstToken)
                    .stallTimeout(Duration.ofMinutes(5))
                    .unloadWhenWedged(true));
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("primary");
    Semaphore goesOn = new Semaphore(0);
    primary.respondWith(
        (connection, request) -> {
          connection.send(OllamaReplies.STREAM_HEAD + OllamaReplies.tokens("LONG"));
          goesOn.acquireUninterruptibly();
          connection.send(OllamaReplies.end("stop", 1) + OllamaReplies.LAST_CHUNK);
        });
    try (ChatStream stream = client.stream(REQUEST)) {
      Iterator<ChatEvent> events = stream.iterator();
      events.next();
      CompletableFuture<ChatEvent> waits = rests ? null : SocketReader.startReading(events::next);
      primary.respondWith(OllamaReplies.hanging());
      for (int i = 0; i < 2; i++) {
        ChatResponse behind = ask(client, REQUEST, firstToken);
        assertThat(behind.attempts().get(0).failure()).contains(FailureKind.FIRST_TOKEN_TIMEOUT);
      }
      goesOn.release();

      ChatEvent last = waits == null ? events.next() : waits.get();
      assertThat(last).isInstanceOf(ChatEvent.Completed.class);
    }
    assertThat(changes).noneMatch(change -> change.cause() == FailureKind.WEDGED);
    assertThat(unloads()).isZero();
  }

  /** A server that is known to be quick may be slow for once: two shorter waits are no evidence. */
  @ParameterizedTest
  @CsvSource({"14, 7, false", "18, 9, true"})
  void onlyAWaitOfHalfTheLimitSaysAnything(int deadline, int share, boolean wedge)
      throws Exception {
    primary.respondWith(answeringOnce());
    LlmClient client = client(e -> e);
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("primary");
    primary.respondWith(OllamaReplies.hanging());
    ChatRequest hurried = REQUEST.toBuilder().deadline(Duration.ofSeconds(deadline)).build();

    for (int i = 0; i < 2; i++) {
      assertThat(ask(client, hurried, Duration.ofSeconds(share)).endpoint()).isEqualTo("fallback");
    }

    if (wedge) {
      assertWedged(client);
    } else {
      assertThat(changes).noneMatch(change -> change.cause() == FailureKind.WEDGED);
    }
  }

  @Test
  void aModelThatIsBeingLoadedIsNotWedged() throws Exception {
    primary.respondToProbesWith(
        (connection, request) -> {
          if (request.line().startsWith("POST")) {
            connection.hang();
          } else {
            OllamaReplies.probes(OllamaReplies.loadCompleted(), "primary-model:latest")
                .answer(connection, request);
          }
        });
    LlmClient client = client(e -> e);
    CompletableFuture<ChatResponse> call = client.chatAsync(REQUEST);
    primary.awaitFirstRequest();
    for (int i = 0; i < 60 && status(client).state() != EndpointState.WARMING; i++) {
      time.advance(Duration.ofMillis(500));
      awaitSoon(() -> !time.isHealthChecking());
    }

    assertThat(call.get().endpoint()).isEqualTo("fallback");
    awaitSoon(() -> status(client).state() == EndpointState.WARMING);
    assertThat(status(client).cause()).contains(FailureKind.MODEL_COLD);
  }

  @Test
  void aLoadThatTookItsTimeExplainsTheCallBeforeIt() throws Exception {
    Semaphore loads = new Semaphore(0);
    Node.Script listed =
        OllamaReplies.probes(OllamaReplies.loadCompleted(), "primary-model:latest");
    primary.respondToProbesWith(
        (connection, request) -> {
          if (request.line().startsWith("POST")) {
            loads.acquireUninterruptibly();
          }
          listed.answer(connection, request);
        });
    LlmClient client = client(e -> e);
    CompletableFuture<ChatResponse> call = client.chatAsync(REQUEST);
    primary.awaitFirstRequest();
    for (int i = 0; i < 30; i++) {
      time.advance(Duration.ofMillis(500));
      awaitSoon(() -> !time.isHealthChecking());
    }
    assertThat(call.get().endpoint()).isEqualTo("fallback");
    awaitSoon(() -> primary.loadRequests() == 1);
    time.advance(Duration.ofMillis(2500));
    awaitSoon(() -> status(client).state() == EndpointState.WARMING);
    loads.release(100);
    awaitSoon(() -> status(client).state() == EndpointState.UP);

    ask(client, REQUEST);

    assertThat(changes).extracting(EndpointChange::cause).doesNotContain(FailureKind.WEDGED);
  }

  @Test
  void aManagedServerIsNeverCalledWedged() throws Exception {
    LlmClient client =
        clientOf(
            Endpoint.openAi("primary", primary.url())
                .model("primary-model")
                .dialect(Dialect.VLLM)
                .locality(Locality.MANAGED));

    ask(client, REQUEST);
    ask(client, REQUEST);

    assertThat(status(client).cause()).contains(FailureKind.ATTEMPT_TIMEOUT);
    assertThat(primary.probes()).isEmpty();
  }

  @Test
  void onlyAnOllamaOfOnesOwnMayBeAskedToUnload() {
    Endpoint.Builder openAi = Endpoint.openAi("primary", primary.url()).model("m");
    assertThatThrownBy(() -> openAi.unloadWhenWedged(true).build())
        .isInstanceOf(IllegalStateException.class)
        .hasMessage(
            "endpoint 'primary' must not have unloadWhenWedged: only Ollama's native API can unload a"
                + " model");
    Endpoint.Builder cloud = Endpoint.ollama("primary", primary.url()).model("m:cloud");
    assertThatThrownBy(() -> cloud.unloadWhenWedged(true).build())
        .isInstanceOf(IllegalStateException.class)
        .hasMessage(
            "endpoint 'primary' must not have unloadWhenWedged: it is managed, where no model is"
                + " loaded");
  }
}
