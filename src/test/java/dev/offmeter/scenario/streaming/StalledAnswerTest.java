// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.streaming;

import static dev.offmeter.testing.Loopback.awaitSoon;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.offmeter.Attempt;
import dev.offmeter.ChatEvent;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.LlmException;
import dev.offmeter.StreamRecovery;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.observe.EndpointStatus;
import dev.offmeter.testing.Connection;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.SocketReader;
import dev.offmeter.testing.TwoNodes;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** An answer that has begun, and then nothing more comes. */
@Timeout(20)
class StalledAnswerTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final Node.Script WELL =
      OllamaReplies.probes(OllamaReplies.loadCompleted(), "primary-model:latest");
  private static final Node.Script TUNNEL_DOWN =
      OllamaReplies.status(530, "text/plain", "error code: 1033");
  private static final String PIECE = OllamaReplies.tokens("so ");
  private static final String END = OllamaReplies.end("stop", 2) + OllamaReplies.LAST_CHUNK;

  private final Queue<Connection> talking = new ConcurrentLinkedQueue<>();
  private final AtomicInteger keptWaiting = new AtomicInteger();
  private final TwoNodes nodes = TwoNodes.inManualTime(loopback);
  private final ManualTime time = nodes.time();
  private final Node primary = nodes.primary().respondWith(this::begin).respondToProbesWith(WELL);
  private final Node fallback = nodes.fallback();
  private final LlmClient client = nodes.client();

  private void begin(Connection connection, Connection.Request request) throws IOException {
    talking.add(connection);
    connection.send(OllamaReplies.STREAM_HEAD + OllamaReplies.tokens("Dear "));
    connection.hang();
  }

  /** Sends more of every answer that has begun. */
  private void send(String more) throws IOException {
    for (Connection connection : talking) {
      connection.send(more);
    }
  }

  private void losesChecks(Connection connection, Connection.Request request) throws IOException {
    keptWaiting.incrementAndGet();
    connection.hang();
    keptWaiting.decrementAndGet();
  }

  private static ChatRequest with(StreamRecovery recovery) {
    return ChatRequest.builder().user("a reminder").onBrokenStream(recovery).build();
  }

  /** A stream and how far it has been read. */
  private record Begun(ChatStream stream, Iterator<ChatEvent> events) {
    /** Starts to read the next event in the background. */
    CompletableFuture<ChatEvent> next() {
      return inTheBackground(events::next);
    }

    /** Starts to read all the rest in the background. */
    CompletableFuture<ChatResponse> readOn() {
      return inTheBackground(
          () -> {
            events.forEachRemaining(event -> {});
            return stream.response();
          });
    }
  }

  /** A stream whose first piece has been read. */
  private Begun begun(StreamRecovery recovery) {
    ChatStream stream = client.stream(with(recovery));
    Begun begun = new Begun(stream, stream.iterator());
    assertThat(begun.events().next()).isInstanceOf(ChatEvent.TextDelta.class);
    return begun;
  }

  private static <T> CompletableFuture<T> inTheBackground(Supplier<T> read) {
    return SocketReader.startReading(read);
  }

  /** Lets time pass, and health checks come as far as they can. */
  private void pass(Duration duration) {
    for (long left = duration.toMillis(); left > 0; left -= 250) {
      time.advance(Duration.ofMillis(Math.min(left, 250)));
      awaitSoon(() -> !time.isHealthChecking() || keptWaiting.get() > 0);
    }
  }

  private EndpointStatus status() {
    return TwoNodes.primaryStatus(client);
  }

  private static void assertMovedOn(ChatResponse response) {
    assertThat(response.endpoint()).isEqualTo("fallback");
    assertThat(response.attempts().get(0).failure()).contains(FailureKind.UNRESPONSIVE);
    assertThat(response.attempts().get(0).message())
        .startsWith("silent in the middle of its answer, and ");
  }

  private void assertTheNextCallerPassesItOver() {
    int before = primary.requests().size();
    ChatResponse next = client.chat("a reminder");
    assertThat(next.endpoint()).isEqualTo("fallback");
    assertThat(next.attempts().get(0).failure()).contains(FailureKind.CIRCUIT_OPEN);
    assertThat(primary.requests()).hasSize(before);
  }

  @Test
  void aStreamOfANodeThatIsFrozenFailsOverAfterSevenSecondsNotTen() throws Exception {
    primary.respondToProbesWith(this::losesChecks);
    CompletableFuture<ChatResponse> read = begun(StreamRecovery.RESTART).readOn();

    pass(Duration.ofSeconds(6));
    assertThat(read).as("a check was sent, and has its two seconds").isNotDone();
    pass(Duration.ofSeconds(1));

    assertMovedOn(read.get());
    assertThat(read.get().text()).isEqualTo("FALLBACK");
    assertTheNextCallerPassesItOver();
  }

  @Test
  void aStreamOfANodeThatRefusesFailsOverAtTheFirstHealthCheck() throws Exception {
    primary.respondToProbesWith(TUNNEL_DOWN);
    CompletableFuture<ChatResponse> read = begun(StreamRecovery.RESTART).readOn();

    pass(Duration.ofMillis(4750));
    assertThat(read).isNotDone();
    pass(Duration.ofMillis(250));

    assertMovedOn(read.get());
    assertThat(read.get().attempts().get(0).message()).contains("TUNNEL_DOWN");
    assertTheNextCallerPassesItOver();
  }

  @Test
  void aStreamThatMustNotStartAgainFailsWithWhatItHas() {
    primary.respondToProbesWith(TUNNEL_DOWN);
    CompletableFuture<ChatResponse> read = begun(StreamRecovery.FAIL).readOn();

    pass(Duration.ofSeconds(5));

    assertThatThrownBy(read::join)
        .cause()
        .isInstanceOf(LlmException.class)
        .hasMessageContaining("silent in the middle of its answer");
  }

  @Test
  void aChatThatIsSilentInMidAnswerTriggersAHealthCheckToo() throws Exception {
    primary.respondToProbesWith(TUNNEL_DOWN);
    CompletableFuture<ChatResponse> call = client.chatAsync(with(StreamRecovery.RESTART));
    awaitSoon(() -> !talking.isEmpty());

    // The test cannot see when the first piece is read, so it moves time until the call is done.
    while (!call.isDone()) {
      pass(Duration.ofMillis(500));
    }

    assertMovedOn(call.get());
  }

  @Test
  void aStreamThatIsHeldBackTriggersAHealthCheckToo() throws Exception {
    primary.respondToProbesWith(TUNNEL_DOWN);
    CompletableFuture<ChatResponse> read =
        inTheBackground(() -> client.stream(with(StreamRecovery.HOLD)).response());
    awaitSoon(() -> !talking.isEmpty());

    while (!read.isDone()) {
      pass(Duration.ofMillis(500));
    }

    assertMovedOn(read.get());
  }

  @Test
  void oneSilentCallThatFindsItDeadFreesAllThatAreInMidAnswer() throws Exception {
    List<CompletableFuture<ChatResponse>> reads = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      reads.add(begun(StreamRecovery.RESTART).readOn());
    }
    pass(Duration.ofSeconds(2));
    primary.respondWith(TUNNEL_DOWN);
    primary.respondToProbesWith(TUNNEL_DOWN);

    assertThat(client.chat("a reminder").endpoint()).isEqualTo("fallback");
    pass(Duration.ofMillis(250));

    for (CompletableFuture<ChatResponse> read : reads) {
      assertMovedOn(read.get());
      assertThat(read.get().elapsed()).isLessThanOrEqualTo(Duration.ofMillis(2500));
    }
  }

  @Test
  void aServerThatPausesBetweenItsPiecesAndIsWellLosesNothing() throws Exception {
    Begun stream = begun(StreamRecovery.FAIL);
    for (int i = 0; i < 4; i++) {
      CompletableFuture<ChatEvent> next = stream.next();
      pass(Duration.ofMillis(9500));
      assertThat(next).isNotDone();
      send(PIECE);
      assertThat(next.get()).isInstanceOf(ChatEvent.TextDelta.class);
    }
    send(END);

    assertThat(stream.readOn().get().text()).isEqualTo("Dear so so so so ");
    assertThat(status().state()).isEqualTo(EndpointState.UP);
    assertThat(primary.probes()).as("it was asked how it is").isNotEmpty();
  }

  @Test
  void aServerThatAnswersNoCheckButSendsPiecesToOthersIsNotDead() throws Exception {
    primary.respondToProbesWith(this::losesChecks);
    Begun silent = begun(StreamRecovery.RESTART);
    Connection stuck = talking.remove();
    Begun lively = begun(StreamRecovery.FAIL);
    CompletableFuture<ChatResponse> read = silent.readOn();
    for (int i = 0; i < 8; i++) {
      CompletableFuture<ChatEvent> next = lively.next();
      pass(Duration.ofMillis(1250));
      send(PIECE);
      assertThat(next.get()).isInstanceOf(ChatEvent.TextDelta.class);
    }

    assertThat(read.get().attempts().get(0).failure()).contains(FailureKind.OVERLOADED);
    assertThat(primary.probes()).as("it was asked").isNotEmpty();
    assertThat(status().state()).isEqualTo(EndpointState.UP);
    stuck.close();
    send(END);
    assertThat(lively.readOn().get().text()).isEqualTo("Dear " + "so ".repeat(8));
  }

  @Test
  void aServerThatIsReplacedEndsWhatItHasBegun() throws Exception {
    Begun stream = begun(StreamRecovery.FAIL);
    primary.respondToProbesWith(TUNNEL_DOWN);
    primary.respondWith(TUNNEL_DOWN);
    assertThat(client.chat("a reminder").endpoint()).isEqualTo("fallback");
    assertThat(status().state()).isEqualTo(EndpointState.DOWN);
    for (int i = 0; i < 20; i++) {
      CompletableFuture<ChatEvent> next = stream.next();
      pass(Duration.ofMillis(500));
      send(PIECE);
      assertThat(next.get()).isInstanceOf(ChatEvent.TextDelta.class);
    }
    send(END);

    assertThat(stream.readOn().get().text()).isEqualTo("Dear " + "so ".repeat(20));
  }

  @Test
  void connectionsThatARouterForgetsAreNotHeldAgainstAServerThatIsWell() throws Exception {
    List<CompletableFuture<ChatResponse>> reads = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      reads.add(begun(StreamRecovery.RESTART).readOn());
      pass(Duration.ofMillis(500));
    }

    pass(Duration.ofSeconds(7));
    assertThat(reads).as("the stall limit stays their end").noneMatch(CompletableFuture::isDone);
    pass(Duration.ofSeconds(3));

    for (CompletableFuture<ChatResponse> read : reads) {
      Attempt attempt = read.get().attempts().get(0);
      assertThat(attempt.failure()).contains(FailureKind.STALLED);
      assertThat(attempt.message()).contains("though it answers health checks");
    }
    assertThat(status().state()).isEqualTo(EndpointState.UP);
  }

  @Test
  void answersThatStallOneAfterTheOtherTakeItDownAllTheSame() throws Exception {
    for (int i = 0; i < 2; i++) {
      assertThat(status().state()).isEqualTo(EndpointState.UP);
      CompletableFuture<ChatResponse> read = begun(StreamRecovery.RESTART).readOn();
      pass(Duration.ofSeconds(10));
      assertThat(read.get().attempts().get(0).failure()).contains(FailureKind.STALLED);
    }

    assertThat(status().state()).isEqualTo(EndpointState.DOWN);
  }

  @Test
  void aReadersPauseIsNoSilence() throws Exception {
    primary.respondToProbesWith(TUNNEL_DOWN);
    Begun stream = begun(StreamRecovery.FAIL);
    send(PIECE + END);

    pass(Duration.ofMinutes(1));

    assertThat(primary.probes()).isEmpty();
    assertThat(stream.readOn().get().text()).isEqualTo("Dear so ");
  }

  @Test
  void whatLiesInTheSocketOfAReaderWhoPausesIsNotLostWithItsNode() throws Exception {
    Begun stream = begun(StreamRecovery.FAIL);
    send(PIECE + END);
    primary.respondWith(TUNNEL_DOWN);
    primary.respondToProbesWith(TUNNEL_DOWN);

    assertThat(client.chat("a reminder").endpoint()).isEqualTo("fallback");
    pass(Duration.ofSeconds(30));

    assertThat(status().state()).isEqualTo(EndpointState.DOWN);
    assertThat(stream.readOn().get().text()).isEqualTo("Dear so ");
  }
}
