// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.streaming;

import static dev.offmeter.testing.Loopback.ollama;
import static dev.offmeter.testing.TwoNodes.primaryState;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.offmeter.ChatEvent;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import dev.offmeter.LlmException;
import dev.offmeter.StreamRecovery;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.testing.Connection;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.TwoNodes;
import java.io.IOException;
import java.time.Duration;
import java.util.Iterator;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A stream has an end, though nobody has set a deadline. */
@Timeout(20)
class StreamDurationLimitTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final ChatRequest REQUEST =
      ChatRequest.builder().user("draft a reminder").maxTokens(8192).build();

  private final Semaphore keys = new Semaphore(0);
  private final AtomicInteger shown = new AtomicInteger();
  private final TwoNodes nodes = TwoNodes.inManualTime(loopback);
  private final ManualTime time = nodes.time();
  private final Node primary = nodes.primary().respondWith(this::trickle);
  private final Node fallback = nodes.fallback();

  private void trickle(Connection connection, Connection.Request request) throws IOException {
    connection.send(OllamaReplies.STREAM_HEAD);
    for (int i = 0; true; i++) {
      keys.acquireUninterruptibly();
      connection.send(OllamaReplies.tokens("t" + i + " "));
    }
  }

  private CompletableFuture<ChatResponse> reads(LlmClient client, StreamRecovery recovery) {
    shown.set(0);
    ChatStream stream = client.stream(REQUEST.toBuilder().onBrokenStream(recovery).build());
    return CompletableFuture.supplyAsync(
        () -> {
          try (stream) {
            stream.forEach(event -> shown.incrementAndGet());
            return stream.response();
          }
        });
  }

  /** A piece every five seconds for as long as this; then, and not before, it has an end. */
  private void trickles(CompletableFuture<ChatResponse> reader, Duration lasting) {
    for (long end = time.nanos() + lasting.toNanos(); time.nanos() - end < 0; ) {
      assertThat(reader).isNotDone();
      step();
    }
    // A step that found the reader on its way back to the stream was a pause of the reader.
    for (int i = 0; i < 5 && !isDoneSoon(reader); i++) {
      step();
    }
    assertThat(reader).isDone();
    keys.release(100);
    Loopback.awaitSoon(() -> primary.openConnections() == 0);
    keys.drainPermits();
  }

  private void step() {
    int before = shown.get();
    keys.release();
    Loopback.awaitSoon(() -> shown.get() > before);
    time.advance(Duration.ofSeconds(5));
  }

  private static boolean isDoneSoon(CompletableFuture<ChatResponse> reader) {
    try {
      return reader.handle((response, failure) -> true).get(1, TimeUnit.SECONDS);
    } catch (InterruptedException | ExecutionException | TimeoutException e) {
      return false;
    }
  }

  @Test
  void aTrickleWithoutEndGoesToTheNextEndpointAfterTenMinutes() throws Exception {
    CompletableFuture<ChatResponse> reader = reads(nodes.client(), StreamRecovery.RESTART);

    trickles(reader, Duration.ofMinutes(10));

    assertThat(reader.get().text()).isEqualTo("FALLBACK");
    assertThat(reader.get().attempts().get(0).message())
        .isEqualTo("no complete answer in 600000 ms of delivery, the streamTimeout");
  }

  @Test
  void aLimitOfItsOwnHoldsThoughItIsShorterThanTheStallLimit() {
    Endpoint.Builder short7 = ollama("primary", primary).streamTimeout(Duration.ofSeconds(7));
    CompletableFuture<ChatResponse> reader = reads(nodes.client(short7), StreamRecovery.RESTART);

    trickles(reader, Duration.ofSeconds(10));

    assertThat(reader.getNow(null).endpoint()).isEqualTo("fallback");
  }

  @Test
  void withoutRecoveryTheExceptionHasThePartialText() {
    Endpoint.Builder minute = ollama("primary", primary).streamTimeout(Duration.ofMinutes(1));
    CompletableFuture<ChatResponse> reader = reads(nodes.client(minute), StreamRecovery.FAIL);

    trickles(reader, Duration.ofMinutes(1));

    assertThatThrownBy(reader::get)
        .isInstanceOf(ExecutionException.class)
        .cause()
        .isInstanceOfSatisfying(
            LlmException.class,
            e -> {
              assertThat(e.partialText()).startsWith("t0 t1 ");
              assertThat(e).hasMessageContaining("streamTimeout");
            });
    assertThat(fallback.requests()).isEmpty();
  }

  @Test
  void longAnswersTakeNoEndpointDown() {
    LlmClient client =
        nodes.client(ollama("primary", primary).streamTimeout(Duration.ofMinutes(1)));
    for (int i = 0; i < 4; i++) {
      trickles(reads(client, StreamRecovery.RESTART), Duration.ofMinutes(1));
    }

    assertThat(primaryState(client)).isEqualTo(EndpointState.UP);
  }

  @Test
  void thePausesOfTheReaderAreNotCounted() {
    LlmClient client = nodes.client();
    try (ChatStream stream =
        client.stream(REQUEST.toBuilder().onBrokenStream(StreamRecovery.FAIL).build())) {
      Iterator<ChatEvent> events = stream.iterator();
      for (int i = 0; i < 10; i++) {
        keys.release();
        assertThat(events.next()).isInstanceOf(ChatEvent.TextDelta.class);
        time.advance(Duration.ofMinutes(9));
      }
    }
    keys.release(100);
  }
}
