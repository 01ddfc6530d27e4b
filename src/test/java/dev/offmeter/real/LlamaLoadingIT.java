// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.real;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.offmeter.Attempt;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import java.nio.file.Path;
import java.time.Duration;
import java.util.EnumSet;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A llama-server from the start of its process to its first answer. */
@Timeout(120)
@Needs(Program.LLAMA_SERVER)
class LlamaLoadingIT {
  private static final ChatRequest REQUEST =
      ChatRequest.builder().user("a reminder").seed(7).build();

  @TempDir Path folder;

  @Test
  void isRefusedThenBusyThenAnswersAndFallsBackUntilThen() {
    Set<FailureKind> seen = EnumSet.noneOf(FailureKind.class);
    loadOurOwnClasses();
    try (LlamaServer server = LlamaServer.starting(folder, TinyModel.large(), "-c", "1024")) {
      await("an answer of a llama-server that loads")
          .atMost(Duration.ofSeconds(90))
          .pollDelay(Duration.ZERO)
          .pollInterval(Duration.ofMillis(5))
          .until(() -> answered(server.requireRunning().endpoint("loading").build(), seen));
    }

    assertThat(seen)
        .contains(FailureKind.SERVER_BUSY)
        .isSubsetOf(
            FailureKind.CONNECTION_REFUSED, FailureKind.CONNECTION_LOST, FailureKind.SERVER_BUSY);
  }

  /** The first call of a JVM can take longer than the server takes to load. */
  private static void loadOurOwnClasses() {
    String nobody = "http://127.0.0.1:" + Processes.freePort();
    Set<FailureKind> seen = EnumSet.noneOf(FailureKind.class);
    assertThat(answered(LlamaServer.at("nobody", nobody).build(), seen)).isFalse();
    assertThat(seen).containsExactly(FailureKind.CONNECTION_REFUSED);
  }

  /** Asks with a new client, which does not know yet that the server is in back-off. */
  private static boolean answered(Endpoint endpoint, Set<FailureKind> seen) {
    try (LlmClient client =
        LlmClient.builder()
            .endpoint(endpoint)
            .endpoint(Endpoint.local("template", request -> "from the template").build())
            .build()) {
      ChatResponse response = client.chat(REQUEST);
      Attempt first = response.attempts().get(0);
      first.failure().ifPresent(seen::add);
      assertThat(response.endpoint())
          .isEqualTo(first.failure().isEmpty() ? endpoint.name() : "template");
      return first.failure().isEmpty();
    }
  }
}
