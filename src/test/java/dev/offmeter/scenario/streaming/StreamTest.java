// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.streaming;

import static dev.offmeter.testing.Loopback.ollama;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.awaitility.Awaitility.await;

import dev.offmeter.AllEndpointsFailedException;
import dev.offmeter.Attempt;
import dev.offmeter.ChatEvent;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.ClientInternals;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.LlmException;
import dev.offmeter.StreamRecovery;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import java.util.stream.Stream;
import okhttp3.OkHttpClient;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** First words at once, and still one whole answer. */
@Timeout(20)
class StreamTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final ChatRequest REQUEST = ChatRequest.builder().user("draft a reminder").build();

  private static ChatRequest with(StreamRecovery recovery) {
    return REQUEST.toBuilder().onBrokenStream(recovery).build();
  }

  private LlmClient.Builder over(Node... nodes) {
    LlmClient.Builder builder = LlmClient.builder();
    for (int i = 0; i < nodes.length; i++) {
      builder.endpoint(ollama("node-" + i, nodes[i]).build());
    }
    return builder;
  }

  private static String text(ChatEvent event) {
    assertThat(event).isInstanceOf(ChatEvent.TextDelta.class);
    return ((ChatEvent.TextDelta) event).text();
  }

  /** A node that sends a token each time the test lets it, and the end in the end. */
  private static final class Typist implements Node.Script {
    private final Semaphore keys = new Semaphore(0);
    private final int tokens;

    Typist(int tokens) {
      this.tokens = tokens;
    }

    void types() {
      keys.release();
    }

    @Override
    public void answer(
        dev.offmeter.testing.Connection connection, dev.offmeter.testing.Connection.Request request)
        throws java.io.IOException {
      connection.send(OllamaReplies.STREAM_HEAD);
      for (int i = 0; i < tokens; i++) {
        keys.acquireUninterruptibly();
        connection.send(OllamaReplies.tokens("t" + i + " "));
      }
      keys.acquireUninterruptibly();
      connection.send(OllamaReplies.end("stop", tokens) + OllamaReplies.LAST_CHUNK);
    }
  }

  @Test
  void showsTheAnswerPieceByPieceAndThenTheWhole() {
    Node node = loopback.node(OllamaReplies.answering("Dear", " Zoë", ","));

    try (ChatStream stream = loopback.client(over(node)).stream(REQUEST)) {
      Iterator<ChatEvent> events = stream.iterator();
      assertThat(text(events.next())).isEqualTo("Dear");
      assertThat(text(events.next())).isEqualTo(" Zoë");
      assertThat(text(events.next())).isEqualTo(",");
      ChatEvent last = events.next();
      assertThat(last).isInstanceOf(ChatEvent.Completed.class);
      assertThat(((ChatEvent.Completed) last).response()).isSameAs(stream.response());
      assertThat(events.hasNext()).isFalse();
      assertThat(stream.response().text()).isEqualTo("Dear Zoë,");
      assertThat(stream.response().endpoint()).isEqualTo("node-0");
      assertThat(stream.response().usage().outputTokens()).isEqualTo(3);
      assertThat(stream.response().attempts()).hasSize(1);
    }
  }

  @Test
  void theFirstPieceIsShownWhileTheNodeStillWrites() {
    Typist typist = new Typist(2);
    Node node = loopback.node(typist);
    try (ChatStream stream = loopback.client(over(node)).stream(REQUEST)) {
      Iterator<ChatEvent> events = stream.iterator();
      typist.types();
      assertThat(text(events.next())).isEqualTo("t0 ");
      typist.types();
      assertThat(text(events.next())).isEqualTo("t1 ");
      typist.types();
      assertThat(events.next()).isInstanceOf(ChatEvent.Completed.class);
    }
  }

  @Test
  void nothingIsSentBeforeItIsRead() {
    Node node = loopback.node(OllamaReplies.answering("never to be asked"));

    loopback.client(over(node)).stream(REQUEST).close();

    assertThat(node.requests()).isEmpty();
  }

  @Test
  void thinkingIsShownApart() {
    Node node =
        loopback.node(OllamaReplies.answering("<think>", "late?", "</think>", "Dear", " Zoë"));

    try (ChatStream stream = loopback.client(over(node)).stream(REQUEST)) {
      Iterator<ChatEvent> events = stream.iterator();
      assertThat(events.next()).isEqualTo(new ChatEvent.ThinkingDelta("late?"));
      assertThat(text(events.next())).isEqualTo("Dear");
      assertThat(stream.response().text()).isEqualTo("Dear Zoë");
      assertThat(stream.response().thinking()).isEqualTo("late?");
    }
  }

  @Test
  void textThatTurnsOutToHaveBeenThinkingIsTakenBack() {
    Node node = loopback.node(OllamaReplies.answering("late", "?</think>", "Dear", " Zoë"));

    try (ChatStream stream = loopback.client(over(node)).stream(REQUEST)) {
      Iterator<ChatEvent> events = stream.iterator();
      assertThat(text(events.next())).isEqualTo("late");
      ChatEvent.Restarted restarted = (ChatEvent.Restarted) events.next();
      assertThat(restarted.discardText()).isEqualTo(4);
      assertThat(restarted.failed().endpoint()).isEqualTo("node-0");
      assertThat(events.next()).isEqualTo(new ChatEvent.ThinkingDelta("late?"));
      assertThat(text(events.next())).isEqualTo("Dear");
      assertThat(stream.response().text()).isEqualTo("Dear Zoë");
    }
  }

  @Test
  void aStreamThatTakesItsTextBackAgainAndAgainIsGivenUp() {
    String[] pieces = new String[2000];
    Arrays.fill(pieces, "late?</think>");
    Node node = loopback.node(OllamaReplies.answering(pieces));
    List<ChatEvent> events = new ArrayList<>();

    try (ChatStream stream = loopback.client(over(node)).stream(REQUEST)) {
      assertThatThrownBy(() -> stream.forEach(events::add))
          .isInstanceOfSatisfying(
              LlmException.class,
              e ->
                  assertThat(e.attempts().get(0).failure())
                      .contains(FailureKind.MISSING_END_MARKER));
    }
    assertThat(events).hasSizeLessThan(200);
  }

  @Test
  void textThatTurnsOutToHaveBeenThinkingFailsAStreamThatMayNotRestart() {
    Node node = loopback.node(OllamaReplies.answering("late", "?</think>", "Dear"));

    try (ChatStream stream = loopback.client(over(node)).stream(with(StreamRecovery.FAIL))) {
      assertThatThrownBy(() -> stream.forEach(event -> {}))
          .isInstanceOfSatisfying(
              LlmException.class,
              e -> {
                assertThat(e).hasMessageContaining("after 4 characters: what was shown as text");
                assertThat(e.partialText()).isEqualTo("late");
                assertThat(e.attempts().get(0).failure()).contains(FailureKind.TEXT_WITHDRAWN);
              });
    }
    try (ChatStream stream = loopback.client(over(node)).stream(with(StreamRecovery.HOLD))) {
      assertThat(stream.textStream()).containsExactly("Dear");
    }
  }

  @Test
  void aRestartNamesTheEndpointAndTheReason() {
    Node primary =
        loopback.node(
            (connection, request) -> {
              connection.send(
                  OllamaReplies.STREAM_HEAD + OllamaReplies.tokens("half an", " answer"));
              connection.reset();
            });
    Node fallback = loopback.node(OllamaReplies.answering("whole"));

    try (ChatStream stream = loopback.client(over(primary, fallback)).stream(REQUEST)) {
      ChatEvent.Restarted restarted =
          (ChatEvent.Restarted)
              Stream.generate(stream.iterator()::next)
                  .dropWhile(event -> event instanceof ChatEvent.TextDelta)
                  .findFirst()
                  .orElseThrow();
      assertThat(restarted.failed().endpoint()).isEqualTo("node-0");
      assertThat(restarted.failed().failure()).contains(FailureKind.TRUNCATED);
      assertThat(stream.response().text()).isEqualTo("whole");
      assertThat(stream.response().attempts()).hasSize(2);
    }
  }

  @Test
  void whenNobodyIsLeftTheReaderIsToldToDiscardAndThenWhy() {
    Node only =
        loopback.node(
            (connection, request) -> {
              connection.send(OllamaReplies.STREAM_HEAD + OllamaReplies.tokens("half"));
              connection.close();
            });

    try (ChatStream stream = loopback.client(over(only)).stream(REQUEST)) {
      Iterator<ChatEvent> events = stream.iterator();
      assertThat(text(events.next())).isEqualTo("half");
      assertThat(events.next()).isInstanceOf(ChatEvent.Restarted.class);
      assertThatThrownBy(events::next).isInstanceOf(AllEndpointsFailedException.class);
      assertThatThrownBy(events::hasNext)
          .as("and again")
          .isInstanceOf(AllEndpointsFailedException.class);
      assertThatThrownBy(stream::response).isInstanceOf(AllEndpointsFailedException.class);
    }
  }

  @Test
  void aHeldStreamShowsTheFirstPiecesTogether() {
    Typist typist = new Typist(4);
    Node node = loopback.node(typist);
    try (ChatStream stream = loopback.client(over(node)).stream(with(StreamRecovery.hold(3)))) {
      Iterator<ChatEvent> events = stream.iterator();
      for (int i = 0; i < 3; i++) {
        typist.types();
      }
      assertThat(text(events.next())).isEqualTo("t0 t1 t2 ");
      typist.types();
      assertThat(text(events.next())).isEqualTo("t3 ");
      typist.types();
      assertThat(events.next()).isInstanceOf(ChatEvent.Completed.class);
    }
  }

  @Test
  void anEarlyFailureOfAHeldStreamIsNotSeenAndALateOneFails() {
    Node primary = loopback.node(OllamaReplies.hanging());
    Node fallback = loopback.node(OllamaReplies.answering("FALL", "BACK"));
    LlmClient client = loopback.client(over(primary, fallback));
    primary.respondWith(
        (connection, request) -> {
          connection.send(OllamaReplies.STREAM_HEAD + OllamaReplies.tokens("one", " two"));
          connection.close();
        });

    try (ChatStream stream = client.stream(with(StreamRecovery.hold(3)))) {
      assertThat(stream.textStream()).containsExactly("FALLBACK");
    }
    try (ChatStream stream = client.stream(with(StreamRecovery.hold(2)))) {
      assertThatThrownBy(() -> stream.textStream().forEach(text -> {}))
          .isInstanceOfSatisfying(
              LlmException.class, e -> assertThat(e.partialText()).isEqualTo("one two"));
    }
  }

  @Test
  void theTextAloneMayNotBeReadWhereItMightRestart() {
    Node node = loopback.node(OllamaReplies.answering("Dear", " Zoë"));
    LlmClient client = loopback.client(over(node));

    try (ChatStream stream = client.stream(REQUEST)) {
      assertThatThrownBy(stream::textStream)
          .isInstanceOf(IllegalStateException.class)
          .hasMessage(
              "onBrokenStream must be HOLD or FAIL for textStream(), was RESTART: see"
                  + " ChatRequest.onBrokenStream");
    }
    try (ChatStream stream = client.stream(with(StreamRecovery.FAIL))) {
      assertThat(stream.textStream()).containsExactly("Dear", " Zoë");
    }
  }

  @Test
  void aStreamIsReadOnce() {
    Node node = loopback.node(OllamaReplies.answering("Dear"));
    try (ChatStream stream = loopback.client(over(node)).stream(REQUEST)) {
      stream.iterator();

      assertThatThrownBy(stream::iterator)
          .isInstanceOf(IllegalStateException.class)
          .hasMessage("a stream must be read once, was read already");
    }
  }

  @Test
  void aFunctionIsAStreamOfOnePiece() {
    LlmClient client =
        loopback.client(LlmClient.builder().endpoint(Endpoint.local("t", r -> "Dear").build()));
    try (ChatStream stream = client.stream(REQUEST)) {
      Iterator<ChatEvent> events = stream.iterator();
      assertThat(text(events.next())).isEqualTo("Dear");
      assertThat(events.next()).isInstanceOf(ChatEvent.Completed.class);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 2})
  void closingItHalfReadClosesTheConnectionAndGivesEverythingBack(int read) {
    Typist typist = new Typist(5);
    Node node = loopback.node(typist);
    LlmClient client =
        loopback.client(
            LlmClient.builder().endpoint(ollama("node", node).maxConcurrent(1).build()));
    typist.types();
    typist.types();
    ChatStream stream = client.stream(REQUEST);
    Iterator<ChatEvent> events = stream.iterator();
    for (int i = 0; i < read; i++) {
      events.next();
    }

    stream.close();
    stream.close();

    for (int i = 0; i < 5; i++) {
      typist.types();
    }
    await().atMost(Duration.ofSeconds(1)).until(() -> node.openConnections() == 0);
    node.respondWith(OllamaReplies.answering("next"));
    assertThat(client.chat(REQUEST).text()).isEqualTo("next");
    assertThatThrownBy(events::next).isExactlyInstanceOf(LlmException.class);
  }

  @Test
  void closingItFromElsewhereEndsTheRead() throws Exception {
    Node node = loopback.node(OllamaReplies.hanging());
    ChatStream stream = loopback.client(over(node)).stream(REQUEST);
    CompletableFuture<Throwable> reader =
        CompletableFuture.supplyAsync(() -> catchThrowable(stream::response));
    node.awaitFirstRequest();

    stream.close();

    assertThat(reader.get(1, TimeUnit.SECONDS))
        .isExactlyInstanceOf(LlmException.class)
        .hasMessage("the call was stopped: the stream was closed");
    await().atMost(Duration.ofSeconds(1)).until(() -> node.openConnections() == 0);
  }

  @Test
  void closingTheClientEndsTheRead() throws Exception {
    Node node = loopback.node(OllamaReplies.hanging());
    LlmClient client = loopback.client(over(node));
    ChatStream stream = client.stream(REQUEST);
    CompletableFuture<Throwable> reader =
        CompletableFuture.supplyAsync(() -> catchThrowable(stream::response));
    node.awaitFirstRequest();

    client.close();

    assertThat(reader.get(1, TimeUnit.SECONDS)).hasMessageContaining("the client was closed");
    assertThatThrownBy(() -> client.stream(REQUEST)).isInstanceOf(IllegalStateException.class);
  }

  @Test
  void anInterruptEndsTheRead() throws Exception {
    CountDownLatch sent = new CountDownLatch(1);
    Node node =
        loopback.node(
            (connection, request) -> {
              connection.send(OllamaReplies.STREAM_HEAD + OllamaReplies.tokens("Dear"));
              sent.countDown();
              connection.hang();
            });
    ChatStream stream = loopback.client(over(node)).stream(REQUEST);
    CompletableFuture<Boolean> flag = new CompletableFuture<>();
    CompletableFuture<Throwable> thrown = new CompletableFuture<>();
    Thread reader =
        new Thread(
            () -> {
              thrown.complete(catchThrowable(stream::response));
              flag.complete(Thread.currentThread().isInterrupted());
            });
    reader.start();
    sent.await();

    reader.interrupt();

    assertThat(thrown.get(1, TimeUnit.SECONDS)).isExactlyInstanceOf(LlmException.class);
    assertThat(flag.get()).isTrue();
    await().atMost(Duration.ofSeconds(1)).until(() -> node.openConnections() == 0);
  }

  private Iterator<ChatEvent> afterTheFirstToken(
      ManualTime time, Function<LlmClient.Builder, LlmClient.Builder> settings, Typist typist) {
    Node node = loopback.node(typist);
    Node fallback = loopback.node(OllamaReplies.answering("FALLBACK"));
    LlmClient client =
        loopback.client(settings.apply(ClientInternals.withTime(over(node, fallback), time)));
    ChatStream stream = client.stream(with(StreamRecovery.FAIL));
    Iterator<ChatEvent> events = stream.iterator();
    typist.types();
    assertThat(text(events.next())).isEqualTo("t0 ");
    return events;
  }

  @Test
  void theAttemptsLimitIsForTheFirstTokenOnly() {
    ManualTime time = loopback.manualTime();
    Typist typist = new Typist(100);
    Iterator<ChatEvent> events = afterTheFirstToken(time, builder -> builder, typist);

    for (int i = 1; i < 100; i++) {
      time.advance(Duration.ofSeconds(9));
      typist.types();
      assertThat(text(events.next())).isEqualTo("t" + i + " ");
    }
    typist.types();
    assertThat(events.next()).isInstanceOf(ChatEvent.Completed.class);
  }

  @Test
  void aReaderMayTakeHisTime() {
    ManualTime time = loopback.manualTime();
    Typist typist = new Typist(2);
    Iterator<ChatEvent> events = afterTheFirstToken(time, builder -> builder, typist);

    time.advance(Duration.ofHours(3));
    typist.types();
    typist.types();

    assertThat(text(events.next())).isEqualTo("t1 ");
    assertThat(events.next()).isInstanceOf(ChatEvent.Completed.class);
  }

  @Test
  void aNodeThatFallsSilentStalls() throws Exception {
    ManualTime time = loopback.manualTime();
    Typist typist = new Typist(2);
    Iterator<ChatEvent> events = afterTheFirstToken(time, builder -> builder, typist);
    CountDownLatch reading = new CountDownLatch(1);
    CompletableFuture<ChatEvent> next =
        CompletableFuture.supplyAsync(
            () -> {
              reading.countDown();
              return events.next();
            });
    reading.await();
    await()
        .until(
            () -> {
              time.advance(Duration.ofSeconds(1));
              return next.isDone();
            });

    assertThatThrownBy(next::get)
        .isInstanceOf(ExecutionException.class)
        .hasMessageContaining("nothing more in 10000 ms");
    typist.types();
    typist.types();
  }

  @Test
  void aDeadlineThatWasSetCoversTheDelivery() {
    ManualTime time = loopback.manualTime();
    Typist typist = new Typist(100);
    Iterator<ChatEvent> events =
        afterTheFirstToken(time, builder -> builder.deadline(Duration.ofSeconds(60)), typist);

    time.advance(Duration.ofSeconds(61));

    assertThatThrownBy(
            () -> {
              typist.types();
              events.next();
              events.next();
            })
        .isInstanceOfSatisfying(
            LlmException.class,
            e ->
                assertThat(e.attempts().get(0).failure())
                    .as("the caller's hurry, not the node's fault")
                    .contains(FailureKind.DEADLINE_EXCEEDED));
    for (int i = 0; i < 100; i++) {
      typist.types();
    }
  }

  @Test
  void theTimeOfADeliveryIsNotMissedByTheNextEndpoint() {
    ManualTime time = loopback.manualTime();
    Typist typist = new Typist(1);
    Node primary =
        loopback.node(
            (connection, request) -> {
              connection.send(OllamaReplies.STREAM_HEAD + OllamaReplies.tokens("half"));
              typist.keys.acquireUninterruptibly();
              connection.close();
            });
    Node fallback = loopback.node(OllamaReplies.answering("FALLBACK"));
    try (ChatStream stream =
        loopback.client(ClientInternals.withTime(over(primary, fallback), time)).stream(REQUEST)) {
      Iterator<ChatEvent> events = stream.iterator();
      assertThat(text(events.next())).isEqualTo("half");
      time.advance(Duration.ofHours(1));
      typist.types();

      assertThat(stream.response().text()).isEqualTo("FALLBACK");
    }
  }

  @Test
  void whatIsNotReadStaysInTheSocket() {
    AtomicLong sent = new AtomicLong();
    String piece = OllamaReplies.tokens("x".repeat(10_000));
    Node node =
        loopback.node(
            (connection, request) -> {
              connection.send(OllamaReplies.STREAM_HEAD);
              while (true) {
                connection.send(piece);
                sent.addAndGet(piece.length());
              }
            });
    try (ChatStream stream = loopback.client(over(node)).stream(REQUEST)) {
      assertThat(text(stream.iterator().next())).hasSize(10_000);

      AtomicLong before = new AtomicLong(-1);
      await()
          .pollInterval(Duration.ofMillis(200))
          .until(() -> before.getAndSet(sent.get()) == sent.get());
      assertThat(sent.get()).as("what the two sockets hold").isLessThan(16 << 20);
    }
  }

  @Test
  void aNodeThatDripsIsGivenUpIfAMinimumRateIsSet() {
    CountDownLatch never = new CountDownLatch(1);
    Node dripping =
        loopback.node(
            (connection, request) -> {
              connection.send(OllamaReplies.STREAM_HEAD);
              while (true) {
                connection.send(OllamaReplies.tokens("drip "));
                try {
                  assertThat(never.await(60, TimeUnit.MILLISECONDS)).isFalse();
                } catch (InterruptedException e) {
                  throw new AssertionError(e);
                }
              }
            });
    Node fallback = loopback.node(OllamaReplies.answering("FALLBACK"));
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(
                    ollama("dripping", dripping).minimumRate(100, Duration.ofMillis(200)).build())
                .endpoint(ollama("fallback", fallback).build()));

    ChatResponse response = client.chat(REQUEST);

    assertThat(response.endpoint()).isEqualTo("fallback");
    assertThat(response.attempts().get(0).failure()).contains(FailureKind.STALLED);
    assertThat(response.attempts().get(0).message())
        .isEqualTo("fewer than 100.0 tokens a second over 200 ms");
  }

  @Test
  void aStreamThatIsHeldToItsEndKeepsToTheAttemptsLimit() {
    ManualTime time = loopback.manualTime();
    Typist typist = new Typist(9);
    Node node = loopback.node(typist);
    Node fallback = loopback.node(OllamaReplies.answering("FALLBACK"));
    LlmClient client =
        loopback.client(
            ClientInternals.builder(time)
                .endpoint(ollama("node", node).stallTimeout(Duration.ofMinutes(1)).build())
                .endpoint(ollama("fallback", fallback).build()));
    CompletableFuture<ChatResponse> read =
        CompletableFuture.supplyAsync(() -> client.stream(with(StreamRecovery.HOLD)).response());
    await().until(() -> node.requests().size() == 1);

    typist.types();
    time.advance(Duration.ofSeconds(15));

    assertThat(read.join().endpoint()).isEqualTo("fallback");
    assertThat(read.join().attempts().get(0).failure()).contains(FailureKind.ATTEMPT_TIMEOUT);
    for (int i = 0; i < 9; i++) {
      typist.types();
    }
  }

  @Test
  void aReaderWhoRestsDoesNotKeepTheTrialToThemselves() {
    ManualTime time = loopback.manualTime();
    Typist typist = new Typist(2);
    Node node = loopback.node(OllamaReplies.status(530, "text/plain", "error code: 1033"));
    Node fallback = loopback.node(OllamaReplies.answering("FALLBACK"));
    LlmClient client = loopback.client(ClientInternals.withTime(over(node, fallback), time));
    client.chat(REQUEST);
    time.advance(Duration.ofSeconds(20));
    node.respondWith(typist);
    ChatStream stream = client.stream(REQUEST);
    Iterator<ChatEvent> events = stream.iterator();
    typist.types();
    assertThat(text(events.next())).isEqualTo("t0 ");

    node.respondWith(OllamaReplies.answering("node"));
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("node-0");
    assertThat(client.status().endpoints().get(0).state()).isEqualTo(EndpointState.UP);

    typist.types();
    typist.types();
    assertThat(stream.response().endpoint()).isEqualTo("node-0");
  }

  @Test
  void aStreamAloneIsTrialEnough() {
    ManualTime time = loopback.manualTime();
    Node node = loopback.node(OllamaReplies.status(530, "text/plain", "error code: 1033"));
    Node fallback = loopback.node(OllamaReplies.answering("FALLBACK"));
    LlmClient client = loopback.client(ClientInternals.withTime(over(node, fallback), time));
    client.chat(REQUEST);
    time.advance(Duration.ofSeconds(20));
    node.respondWith(OllamaReplies.answering("node"));

    try (ChatStream stream = client.stream(REQUEST)) {
      assertThat(stream.response().endpoint()).isEqualTo("node-0");
    }
    assertThat(client.resilience4j().circuitBreakers().circuitBreaker("node-0").getState())
        .isEqualTo(CircuitBreaker.State.CLOSED);
  }

  @Test
  void anErrorEndsAStreamForGood() {
    Node node = loopback.node(OllamaReplies.answering("Dear"));
    OkHttpClient broken =
        new OkHttpClient.Builder()
            .addInterceptor(
                chain -> {
                  throw new AssertionError("broken");
                })
            .build();
    ChatStream stream = loopback.client(over(node).httpClient(broken)).stream(REQUEST);

    for (int i = 0; i < 2; i++) {
      assertThatThrownBy(stream::response)
          .isExactlyInstanceOf(AllEndpointsFailedException.class)
          .hasMessageContaining("INTERNAL")
          .hasMessageContaining(
              "java.lang.AssertionError at dev.offmeter.scenario.streaming.StreamTest");
    }
  }

  @Test
  void closingTheClientEndsAStreamAtRestAndTellsIt() {
    Typist typist = new Typist(1);
    Node node = loopback.node(typist);
    List<LlmException> failed = new CopyOnWriteArrayList<>();
    LlmClient client =
        loopback.client(
            over(node)
                .listener(
                    new LlmListener() {
                      @Override
                      public void onCallFailed(long call, LlmException exception) {
                        failed.add(exception);
                      }
                    }));
    Iterator<ChatEvent> events = client.stream(REQUEST).iterator();
    typist.types();
    events.next();

    client.close();
    typist.types();

    assertThat(failed)
        .singleElement()
        .satisfies(e -> assertThat(e).hasMessage("the call was stopped: the client was closed"));
    assertThatThrownBy(events::next).hasMessage("the call was stopped: the client was closed");
  }

  @Test
  void aListenerMayCloseTheStreamThatItHearsOf() {
    Node node = loopback.node(OllamaReplies.answering("Dear", " Zoë"));
    AtomicReference<ChatStream> stream = new AtomicReference<>();
    LlmClient client =
        loopback.client(
            over(node)
                .listener(
                    new LlmListener() {
                      @Override
                      public void onAttemptStarted(long call, String endpoint, String model) {
                        stream.get().close();
                      }
                    }));
    stream.set(client.stream(REQUEST));

    assertThatThrownBy(stream.get()::response)
        .hasMessage("the call was stopped: the stream was closed");
  }

  @Test
  void emptyPiecesAreNoProgressOfAStream() {
    CountDownLatch never = new CountDownLatch(1);
    Node node =
        loopback.node(
            (connection, request) -> {
              connection.send(OllamaReplies.STREAM_HEAD + OllamaReplies.tokens("Dear"));
              while (true) {
                try {
                  assertThat(never.await(50, TimeUnit.MILLISECONDS)).isFalse();
                } catch (InterruptedException e) {
                  throw new AssertionError(e);
                }
                connection.send(OllamaReplies.tokens(""));
              }
            });
    Node fallback = loopback.node(OllamaReplies.answering("FALLBACK"));
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(ollama("node", node).stallTimeout(Duration.ofMillis(300)).build())
                .endpoint(ollama("fallback", fallback).build()));

    try (ChatStream stream = client.stream(REQUEST)) {
      assertThat(stream.response().endpoint()).isEqualTo("fallback");
      assertThat(stream.response().attempts().get(0).failure()).contains(FailureKind.STALLED);
    }
  }

  @Test
  void aReaderMayTakeHisTimeOverARestart() {
    ManualTime time = loopback.manualTime();
    Node primary =
        loopback.node(
            (connection, request) -> {
              connection.send(OllamaReplies.STREAM_HEAD + OllamaReplies.tokens("half"));
              connection.close();
            });
    Node fallback = loopback.node(OllamaReplies.answering("FALLBACK"));
    try (ChatStream stream =
        loopback.client(ClientInternals.withTime(over(primary, fallback), time)).stream(REQUEST)) {
      Iterator<ChatEvent> events = stream.iterator();
      events.next();
      assertThat(events.next()).isInstanceOf(ChatEvent.Restarted.class);

      time.advance(Duration.ofMinutes(3));

      assertThat(stream.response().text()).isEqualTo("FALLBACK");
    }
  }

  @Test
  void aSilenceAfterTheFirstPieceLeavesTimeForTheNextEndpointAndIsRemembered() {
    Node primary =
        loopback.node(
            (connection, request) -> {
              connection.send(OllamaReplies.STREAM_HEAD + OllamaReplies.tokens("half"));
              connection.hang();
            });
    Node fallback = loopback.node(OllamaReplies.answering("FALLBACK"));
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(ollama("primary", primary).timeout(Duration.ofMillis(500)).build())
                .endpoint(ollama("fallback", fallback).build())
                .deadline(Duration.ofSeconds(1)));
    int asked = 0;
    while (asked == primary.requests().size()) {
      try (ChatStream stream = client.stream(REQUEST)) {
        assertThat(stream.response().text()).isEqualTo("FALLBACK");
      }
      asked++;
      assertThat(asked).as("calls until it is known to be down").isLessThan(20);
    }
  }

  @Test
  void aRestartIsReportedBeforeTheRetryDelay() {
    ManualTime time = loopback.manualTime();
    Node node =
        loopback.node(
            (connection, request) -> {
              connection.send(OllamaReplies.STREAM_HEAD + OllamaReplies.tokens("half"));
              connection.close();
            });
    LlmClient client =
        loopback.client(
            ClientInternals.builder(time).endpoint(ollama("node", node).retries(1).build()));
    try (ChatStream stream = client.stream(REQUEST)) {
      Iterator<ChatEvent> events = stream.iterator();
      events.next();
      assertThat(events.next()).isInstanceOf(ChatEvent.Restarted.class);
      assertThat(time.pendingTasks()).as("pauses").isZero();
    }
  }

  @Test
  void whatWasShownOfThinkingIsCountedToo() {
    Node primary =
        loopback.node(
            (connection, request) -> {
              connection.send(
                  OllamaReplies.STREAM_HEAD
                      + OllamaReplies.tokens("<think>", "hmm", "</think>", "half"));
              connection.close();
            });
    Node fallback = loopback.node(OllamaReplies.answering("<think>", "so", "</think>", "FALLBACK"));
    LlmClient client = loopback.client(over(primary, fallback));
    try (ChatStream stream = client.stream(REQUEST)) {
      Iterator<ChatEvent> events = stream.iterator();
      assertThat(events.next()).isEqualTo(new ChatEvent.ThinkingDelta("hmm"));
      assertThat(text(events.next())).isEqualTo("half");
      ChatEvent.Restarted restarted = (ChatEvent.Restarted) events.next();
      assertThat(restarted.discardText()).isEqualTo(4);
      assertThat(restarted.discardThinking()).isEqualTo(3);
      assertThat(events.next()).isEqualTo(new ChatEvent.ThinkingDelta("so"));
      assertThat(text(events.next())).isEqualTo("FALLBACK");
    }
  }

  @Test
  void thinkingOnShowIsReasonEnoughNotToStartAgain() {
    Node primary =
        loopback.node(
            (connection, request) -> {
              connection.send(OllamaReplies.STREAM_HEAD + OllamaReplies.tokens("<think>", "hmm"));
              connection.close();
            });
    Node fallback = loopback.node(OllamaReplies.answering("never to be asked"));
    LlmClient client = loopback.client(over(primary, fallback));

    try (ChatStream stream = client.stream(with(StreamRecovery.FAIL))) {
      assertThatThrownBy(stream::response).isExactlyInstanceOf(LlmException.class);
    }
    assertThat(fallback.requests()).isEmpty();
  }

  @Test
  void aStreamThatIsClosedTellsItsEndOnce() {
    Typist typist = new Typist(1);
    Node node = loopback.node(typist);
    List<String> told = new CopyOnWriteArrayList<>();
    LlmClient client =
        loopback.client(
            over(node)
                .listener(
                    new LlmListener() {
                      @Override
                      public void onAttemptEnded(long call, Attempt attempt) {
                        told.add("attempt " + attempt.failure().orElseThrow());
                      }

                      @Override
                      public void onCallFailed(long call, LlmException exception) {
                        told.add("call");
                      }
                    }));
    ChatStream stream = client.stream(REQUEST);
    typist.types();
    stream.iterator().next();

    stream.close();
    stream.close();
    typist.types();

    assertThat(told).containsExactly("attempt CANCELLED", "call");
  }

  @Test
  void noStreamIsUnderWayAfterItsEnd() {
    Node node = loopback.node(OllamaReplies.answering("Dear"));
    LlmClient client = loopback.client(over(node));
    client.stream(REQUEST).response();
    assertThat(ClientInternals.activeCalls(client)).as("read to its end").isZero();
    client.stream(REQUEST).close();
    assertThat(ClientInternals.activeCalls(client)).as("closed unread").isZero();
    ChatStream halfRead = client.stream(REQUEST);
    halfRead.iterator().next();
    assertThat(ClientInternals.activeCalls(client)).isOne();
    halfRead.close();
    assertThat(ClientInternals.activeCalls(client)).as("closed half-read").isZero();
    node.respondWith(OllamaReplies.status(400, "", ""));
    assertThatThrownBy(() -> client.stream(REQUEST).response()).isInstanceOf(LlmException.class);
    assertThat(ClientInternals.activeCalls(client)).as("failed").isZero();
  }

  @Test
  void closingAStreamThatIsOnShowIsNoRestart() throws Exception {
    Typist typist = new Typist(1);
    Node node = loopback.node(typist);
    ChatStream stream = loopback.client(over(node)).stream(REQUEST);
    Iterator<ChatEvent> events = stream.iterator();
    typist.types();
    events.next();
    CompletableFuture<Throwable> next =
        CompletableFuture.supplyAsync(() -> catchThrowable(events::next));

    stream.close();

    assertThat(next.get(1, TimeUnit.SECONDS)).isExactlyInstanceOf(LlmException.class);
    typist.types();
  }

  @Test
  void noEventShowsAnAnswerInALog() {
    assertThat(new ChatEvent.TextDelta("canary")).hasToString("TextDelta[6 chars]");
    assertThat(new ChatEvent.ThinkingDelta("canary")).hasToString("ThinkingDelta[6 chars]");
  }
}
