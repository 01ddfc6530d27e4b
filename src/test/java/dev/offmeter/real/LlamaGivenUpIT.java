// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.real;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.ChatEvent;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Iterator;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A llama-server stops working, by its own word, on what nobody waits for any more. */
@Timeout(60)
@Needs(Program.LLAMA_SERVER)
class LlamaGivenUpIT {
  /** Minutes of work, so that no slot is idle because it has finished. */
  private static final ChatRequest LONG =
      ChatRequest.builder().user("A long story.").maxTokens(60_000).build();

  @TempDir static Path folder;
  private static LlamaServer server;

  @BeforeAll
  static void start() {
    server = LlamaServer.ready(folder, TinyModel.endless(), "-c", "131072", "--slots");
  }

  @AfterAll
  static void stop() {
    if (server != null) {
      server.close();
    }
  }

  private static LlmClient client(Endpoint.Builder endpoint) {
    return LlmClient.builder().maxTokensAtMost(60_000).endpoint(endpoint.build()).build();
  }

  @Test
  void aStreamThatIsReadStaysBusy() {
    try (LlmClient client = client(server.endpoint("llama"));
        ChatStream stream = client.stream(LONG)) {
      Iterator<ChatEvent> events = stream.iterator();
      for (int piece = 0; piece < 50; piece++) {
        assertThat(events.next()).isInstanceOf(ChatEvent.TextDelta.class);
      }

      assertThat(server.isBusy()).isTrue();
    }
    server.awaitIdle();
  }

  @Test
  void aStreamThatIsClosedInTheMiddleFreesItsSlot() {
    try (LlmClient client = client(server.endpoint("llama"))) {
      ChatStream stream = client.stream(LONG);
      stream.iterator().next();
      server.awaitBusy();
      stream.close();

      server.awaitIdle();
    }
  }

  @Test
  void anAnswerWhoseLimitPassesFreesItsSlotAndFallsBack() {
    try (LlmClient client =
        LlmClient.builder()
            .maxTokensAtMost(60_000)
            .endpoint(server.endpoint("llama").timeout(Duration.ofSeconds(2)).build())
            .endpoint(Endpoint.local("template", request -> "from the template").build())
            .build()) {
      CompletableFuture<ChatResponse> future = client.chatAsync(LONG);
      server.awaitBusy();
      ChatResponse response = future.join();

      assertThat(response.text()).isEqualTo("from the template");
      assertThat(response.attempts().get(0).failure()).contains(FailureKind.ATTEMPT_TIMEOUT);
      server.awaitIdle();
    }
  }

  @Test
  void aCallThatIsCancelledFreesItsSlot() {
    try (LlmClient client = client(server.endpoint("llama"))) {
      CompletableFuture<ChatResponse> future = client.chatAsync(LONG);
      server.awaitBusy();
      future.cancel(true);

      server.awaitIdle();
    }
  }
}
