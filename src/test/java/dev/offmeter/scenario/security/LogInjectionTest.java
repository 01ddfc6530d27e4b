// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.security;

import static dev.offmeter.testing.Loopback.ollama;
import static dev.offmeter.testing.TwoNodes.template;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import java.util.Optional;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A message is one line for whatever reads it, and nothing in it steers the eye. */
class LogInjectionTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private LlmClient client(Node node) {
    return loopback.client(
        LlmClient.builder().endpoint(ollama("node", node).build()).endpoint(template()));
  }

  @ParameterizedTest
  @ValueSource(strings = {"\u2028", "\u2029", "\u0085", "\u202e", "\u2066", "\u200f", "\ufeff"})
  void whateverHasWrittenIt(String odd) {
    String words = "the model" + odd + "is bad";

    Node failing = loopback.node(OllamaReplies.status(500, "text/plain", words));
    assertThat(told(client(failing).chat("hello"))).doesNotContain(odd).contains("the model is");

    Node inBand = loopback.node(OllamaReplies.status(200, "", "{\"error\":\"" + words + "\"}"));
    assertThat(told(client(inBand).chat("hello"))).doesNotContain(odd).contains("the model is");

    Node answering = loopback.node(OllamaReplies.answering("hello"));
    ChatRequest checked =
        ChatRequest.builder()
            .user("hello")
            .accept(r -> r.endpoint().equals("node") ? Optional.of(words) : Optional.empty())
            .build();
    assertThat(told(client(answering).chat(checked))).endsWith(": the model is bad");

    Throwable model =
        catchThrowable(() -> Endpoint.ollama("a", "http://127.0.0.1:1").model(words).build());
    assertThat(model)
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining(String.format("\\u%04x", (int) odd.charAt(0)))
        .hasMessageNotContaining(odd);
    Throwable tool = catchThrowable(() -> ChatRequest.builder().tool(words, "d", "{}"));
    assertThat(tool).hasMessageNotContaining(odd);
  }

  private static String told(ChatResponse response) {
    assertThat(response.text()).isEqualTo("TEMPLATE");
    return response.attempts().get(0).message();
  }
}
