// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.offmeter.ChatResponse.ToolCall;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.ProtocolReplies;
import dev.offmeter.testing.ServerReplies;
import java.util.List;
import java.util.Map;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Half an emoji, as a text that was cut by its length has it. */
class SurrogatesTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final String CUT = "a long e-mail \ud83d";
  private static final String CUT_BEFORE = "\ude00 a long e-mail";
  private static final String WHOLE = "a smile \ud83d\ude00";
  private static final String OBJECT = "{\"type\":\"object\",\"description\":\"%s\"}";

  private static void isRejected(ThrowingCallable code, String field, int position) {
    assertThatThrownBy(code)
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            field + " must not hold half a surrogate pair, has one at position " + position);
  }

  @Test
  void inASettingOfAnEndpointItIsRejected() {
    Endpoint.Builder endpoint = Endpoint.ollama("node", "http://127.0.0.1:1").model("m");
    isRejected(() -> endpoint.option("a", CUT), "option a", 14);
    isRejected(() -> endpoint.option("a", List.of(Map.of("b", CUT))), "option a", 14);
    isRejected(() -> endpoint.option("a", Map.of(CUT, 1)), "option a", 14);
    assertThatThrownBy(() -> endpoint.model(CUT).build())
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("\\ud83d");
  }

  @ParameterizedTest
  @CsvSource({
    "\\ud83d, \\ufffd",
    "\\uDE00x, \\ufffdx",
    "\\ud83d\\ude00, \\ud83d\\ude00",
    "\\ud83d\\ud83d\\ude00, \\ufffd\\ud83d\\ude00",
    "\\\\ud83d, \\\\ud83d",
    "\\\"\\n\\u0041, \\\"\\n\\u0041",
    "C:\\\\users, C:\\\\users"
  })
  void halvesThatAreEscapesAreKnownToo(String text, String mended) {
    String schema = "{\"description\":\"%s\"}";

    assertThat(new ChatRequest.Tool("f", "d", schema.formatted(text)).schema())
        .isEqualTo(schema.formatted(mended));
    assertThat(new ToolCall("1", "f", schema.formatted(text)).arguments())
        .isEqualTo(schema.formatted(mended));
  }

  @Test
  void aWholePairIsFine() {
    ChatRequest request =
        ChatRequest.builder()
            .user(WHOLE)
            .stop(WHOLE)
            .tool("f", WHOLE, String.format(OBJECT, WHOLE))
            .answerSchema(String.format(OBJECT, WHOLE))
            .build();

    assertThat(request.messages().get(0).content()).isEqualTo(WHOLE);
    assertThat(Endpoint.ollama(WHOLE, "http://127.0.0.1:1").model("m").build().name())
        .isEqualTo(WHOLE);
  }

  @ParameterizedTest
  @ValueSource(strings = {"ollama", "openai", "gemini", "anthropic"})
  void inARequestItIsMended(String protocol) {
    Node node = loopback.node(OllamaReplies.hanging());
    Endpoint.Builder endpoint =
        switch (protocol) {
          case "ollama" -> Endpoint.ollama("node", node.url());
          case "openai" -> Endpoint.openAi("node", node.url());
          case "gemini" -> Endpoint.gemini("node", node.url());
          default -> Endpoint.anthropic("node", node.url());
        };
    node.respondWith(
        switch (protocol) {
          case "ollama" -> OllamaReplies.answering("ok");
          case "openai" -> ServerReplies.openAi("ok");
          case "gemini" -> ServerReplies.gemini("ok");
          default -> ServerReplies.anthropic("ok");
        });
    LlmClient client = loopback.client(LlmClient.builder().endpoint(endpoint.model("m").build()));
    ToolCall call = new ToolCall("id" + CUT, "f", "{\"a\":\"" + CUT + "\"}");
    ChatRequest request =
        ChatRequest.builder()
            .system(CUT_BEFORE)
            .user("\ud83d\ud83d" + CUT)
            .message(Message.assistant("", List.of(call)))
            .message(Message.toolResult(call, CUT))
            .stop("END", CUT)
            .tool("f", CUT_BEFORE, String.format(OBJECT, CUT))
            .tool("g", "d", String.format(OBJECT, "\\ud83d half"))
            .build();

    assertThat(client.chat(request).text()).isEqualTo("ok");
    String sent = node.requests().get(0).body();
    assertThat(sent).contains("\ufffd a long e-mail", "\ufffd\ufffda long e-mail \ufffd");
    assertThat(sent.toLowerCase(java.util.Locale.ROOT)).doesNotContain("\\ud83d", "\\ude00", "?");
  }

  /** The forms of half a character: UTF-8, a JSON escape, the half itself, and a question mark. */
  @ParameterizedTest
  @ValueSource(strings = {"\ufffd", "\\ufffd", "\\ud83d", "?", "\ufffd\ufffd\ufffd"})
  void whatAServerRepeatsOfItIsKnownAgain(String repeated) {
    for (ProtocolReplies spoken : ProtocolReplies.values()) {
      for (String said : List.of("Zwie%sbelfisch owes", "Mrs Zwiebelfisch %s owes a lot")) {
        String error = "\"cannot be rendered as " + said.formatted(repeated) + "\"";
        Node node =
            loopback.node(
                OllamaReplies.status(
                    400, "application/json", "{\"error\":{\"message\":" + error + "}}"));
        Endpoint endpoint = spoken.endpoint("node", node.url()).build();
        LlmClient client = loopback.client(LlmClient.builder().endpoint(endpoint));
        String prompt = said.formatted("\ud83d");

        assertThatThrownBy(() -> client.chat(prompt))
            .isInstanceOf(LlmException.class)
            .message()
            .as("%s of %s", repeated, spoken)
            .doesNotContain("belfisch", "owes", "a lot");
      }
    }
  }
}
