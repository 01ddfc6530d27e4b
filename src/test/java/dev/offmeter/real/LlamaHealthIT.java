// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.real;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.observe.EndpointStatus;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A llama-server that is killed, or stands still, and comes back. */
@Timeout(90)
@Needs(Program.LLAMA_SERVER)
class LlamaHealthIT {
  private static final ChatRequest SHORT =
      ChatRequest.builder().user("A word.").seed(7).maxTokens(8).build();

  @TempDir Path folder;
  private LlamaServer first;
  private LlamaServer second;
  private LlmClient client;

  @BeforeEach
  void start() {
    first = LlamaServer.ready(folder, TinyModel.fast(20), "-c", "4096");
    second = LlamaServer.ready(folder, TinyModel.fast(20), "-c", "4096");
    client =
        LlmClient.builder()
            .endpoint(first.endpoint("first").timeout(Duration.ofSeconds(15)).build())
            .endpoint(second.endpoint("second").build())
            .build();
  }

  @AfterEach
  void stop() {
    client.close();
    first.close();
    second.close();
  }

  private EndpointStatus status() {
    return client.status().endpoints().get(0);
  }

  private void comesBackWithin(Duration time) {
    await("a health check that finds it well")
        .atMost(time)
        .pollInterval(Duration.ofMillis(50))
        .until(() -> status().state() == EndpointState.TRIAL);
    assertThat(client.chat(SHORT).endpoint()).isEqualTo("first");
    assertThat(status().state()).isEqualTo(EndpointState.UP);
  }

  @Test
  void killedAndStartedAgainItIsUsedAgainAtOnceAndNoCallIsLost() {
    first.kill();
    assertThat(client.chat(SHORT).endpoint()).isEqualTo("second");
    assertThat(status().cause()).contains(FailureKind.CONNECTION_REFUSED);

    first.startAgain();

    comesBackWithin(Duration.ofSeconds(10));
  }

  @Test
  void callsThatWaitForAServerThatStandsStillFailOverTogether() {
    first.freeze();
    List<CompletableFuture<ChatResponse>> calls = new ArrayList<>();
    for (int i = 0; i < 10; i++) {
      calls.add(client.chatAsync(SHORT));
    }

    for (CompletableFuture<ChatResponse> call : calls) {
      ChatResponse response = call.join();
      assertThat(response.endpoint()).isEqualTo("second");
      assertThat(response.attempts().get(0).failure()).contains(FailureKind.UNRESPONSIVE);
      assertThat(response.attempts().get(0).elapsed())
          .isBetween(Duration.ofSeconds(6), Duration.ofSeconds(9));
    }
    assertThat(status().cause()).contains(FailureKind.UNRESPONSIVE);

    first.thaw();

    comesBackWithin(Duration.ofSeconds(5));
  }
}
