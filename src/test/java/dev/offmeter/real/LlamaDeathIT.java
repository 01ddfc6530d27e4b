// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.real;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.Attempt;
import dev.offmeter.ChatEvent;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.FailureKind;
import dev.offmeter.FinishReason;
import dev.offmeter.LlmClient;
import dev.offmeter.StreamRecovery;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Iterator;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Two llama-servers, the first of which ends while it answers. */
@Timeout(60)
@Needs(Program.LLAMA_SERVER)
class LlamaDeathIT {
  private static final ChatRequest LONG =
      ChatRequest.builder()
          .user("A long story.")
          .seed(7)
          .maxTokens(30_000)
          .onBrokenStream(StreamRecovery.RESTART)
          .build();

  @TempDir Path folder;
  private LlamaServer dying;
  private LlamaServer living;
  private LlmClient client;

  @BeforeEach
  void start() {
    dying = LlamaServer.ready(folder, TinyModel.endless(), "-c", "65536", "--slots");
    living = LlamaServer.ready(folder, TinyModel.fast(20), "-c", "4096");
    client =
        LlmClient.builder()
            .maxTokensAtMost(30_000)
            .endpoint(dying.endpoint("dying").stallTimeout(Duration.ofSeconds(3)).build())
            .endpoint(living.endpoint("living").build())
            .build();
  }

  @AfterEach
  void stop() {
    for (AutoCloseable one : new AutoCloseable[] {client, dying, living}) {
      try {
        if (one != null) {
          one.close();
        }
      } catch (Exception e) {
        throw new AssertionError(e);
      }
    }
  }

  @Test
  void killedInTheMiddleOfACallTheOtherAnswers() {
    CompletableFuture<ChatResponse> future = client.chatAsync(LONG);
    dying.awaitBusy();
    dying.kill();

    assertThat(answerOfTheOther(future.join()).failure().orElseThrow())
        .isIn(FailureKind.CONNECTION_LOST, FailureKind.TRUNCATED);
  }

  @Test
  void theCallAfterIsNotHeldUpByTheDeadOne() {
    dying.kill();

    assertThat(answerOfTheOther(client.chat(LONG)).failure())
        .contains(FailureKind.CONNECTION_REFUSED);
  }

  @Test
  void killedInTheMiddleOfAStreamTheOtherBeginsAnew() {
    assertRestarts(dying::kill, FailureKind.TRUNCATED);
  }

  /**
   * On SIGTERM version 0.7.0 falls silent, and cuts the answer only after half a minute. A health
   * check may have had no answer either before the stall limit has passed.
   */
  @Test
  void stoppedInTheMiddleOfAStreamTheOtherBeginsAnew() {
    assertRestarts(
        dying::terminate, FailureKind.STALLED, FailureKind.UNRESPONSIVE, FailureKind.TRUNCATED);
  }

  private void assertRestarts(Runnable end, FailureKind... because) {
    try (ChatStream stream = client.stream(LONG)) {
      Iterator<ChatEvent> events = stream.iterator();
      StringBuilder shown = new StringBuilder();
      shown.append(((ChatEvent.TextDelta) events.next()).text());
      end.run();
      ChatEvent event = events.next();
      while (event instanceof ChatEvent.TextDelta delta) {
        shown.append(delta.text());
        event = events.next();
      }
      ChatEvent.Restarted restarted = (ChatEvent.Restarted) event;

      assertThat(restarted.failed().endpoint()).isEqualTo("dying");
      assertThat(restarted.failed().failure().orElseThrow()).isIn((Object[]) because);
      assertThat(restarted.discardText()).isEqualTo(shown.length());
      assertRest(events);
    }
  }

  private static void assertRest(Iterator<ChatEvent> events) {
    StringBuilder shown = new StringBuilder();
    ChatEvent event = events.next();
    while (event instanceof ChatEvent.TextDelta delta) {
      shown.append(delta.text());
      event = events.next();
    }
    ChatResponse response = ((ChatEvent.Completed) event).response();

    assertThat(response.text()).isEqualTo(shown.toString());
    assertThat(answerOfTheOther(response).failure()).isPresent();
  }

  /** The first attempt, after a look at the second. */
  private static Attempt answerOfTheOther(ChatResponse response) {
    assertThat(response.endpoint()).isEqualTo("living");
    assertThat(response.finishReason()).isEqualTo(FinishReason.STOP);
    assertThat(response.attempts()).hasSize(2);
    return response.attempts().get(0);
  }
}
