// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.real;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.Attempt;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.ServerReplies;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** The whole list: a node at home, a real llama-server, a managed API in reserve, a template. */
@Timeout(60)
@Needs(Program.LLAMA_SERVER)
class WholeListIT {
  @RegisterExtension final Loopback loopback = new Loopback();

  @TempDir Path folder;

  private static ChatResponse ask(LlmClient client) {
    return client.chat(ChatRequest.builder().user("Draft a reminder.").seed(7).build());
  }

  private static List<FailureKind> failures(ChatResponse response) {
    return response.attempts().stream().map(Attempt::failure).flatMap(k -> k.stream()).toList();
  }

  @Test
  void answersThroughAllFourInTurnAsEachIsKilled() {
    Node home = loopback.node(OllamaReplies.answering("Dear", " customer"));
    Node gemini = loopback.node(ServerReplies.gemini("Dear customer of the reserve"));
    try (LlamaServer llama = LlamaServer.ready(folder, TinyModel.fast(20), "-c", "4096")) {
      LlmClient client =
          loopback.client(
              LlmClient.builder()
                  .endpoint(Loopback.ollama("home", home).build())
                  .endpoint(llama.endpoint("llama").build())
                  .endpoint(
                      Endpoint.gemini("gemini", gemini.url())
                          .model("gemini-2.5-flash")
                          .apiKey("a-key")
                          .build())
                  .endpoint(Endpoint.local("template", r -> "Dear customer, please pay.").build()));

      assertThat(ask(client).endpoint()).isEqualTo("home");

      home.close();
      ChatResponse second = ask(client);
      assertThat(second.endpoint()).isEqualTo("llama");
      assertThat(second.text()).isNotBlank();
      assertThat(second.usage().outputTokens()).isPositive();
      assertThat(failures(second)).hasSize(1);

      llama.kill();
      ChatResponse third = ask(client);
      assertThat(third.endpoint()).isEqualTo("gemini");
      assertThat(third.text()).isEqualTo("Dear customer of the reserve");
      assertThat(failures(third)).hasSize(2);

      gemini.close();
      ChatResponse fourth = ask(client);
      assertThat(fourth.endpoint()).isEqualTo("template");
      assertThat(failures(fourth)).hasSize(3).startsWith(FailureKind.CIRCUIT_OPEN);
    }
  }
}
