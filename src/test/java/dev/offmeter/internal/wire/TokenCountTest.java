// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.Endpoint;
import dev.offmeter.FinishReason;
import dev.offmeter.LlmClient;
import dev.offmeter.Usage;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.ProtocolReplies;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A count of tokens is a sane one or none, whatever stands in its place; and costs no answer. */
@Timeout(20)
class TokenCountTest {
  private static final List<String> NO_COUNTS =
      List.of(
          "1e99999999999",
          "-1e99999999999",
          "1e-99999999999",
          "1e400",
          "-1",
          "-2147483648",
          "1.5",
          "\"12\"",
          "null",
          "true",
          "2147483647",
          "2147483648",
          "4294967298",
          "9223372036854775807",
          "9223372036854775808",
          "9".repeat(3000),
          "NaN",
          "Infinity",
          "{}",
          "{\"a\":[1]}",
          "[7]",
          "[]");

  private static final ChatRequest HI = ChatRequest.builder().user("hi").build();

  @RegisterExtension final Loopback loopback = new Loopback();

  private static Stream<Arguments> noCounts() {
    return Stream.of(ProtocolReplies.values())
        .flatMap(spoken -> NO_COUNTS.stream().map(count -> Arguments.of(spoken, count)));
  }

  private LlmClient client(ProtocolReplies spoken, String body) {
    Node node = loopback.node(OllamaReplies.closing(body));
    Endpoint endpoint = spoken.endpoint("node", node.url()).build();
    return loopback.client(LlmClient.builder().endpoint(endpoint));
  }

  private static String counting(ProtocolReplies spoken, String count) {
    String body = spoken.textDelta("Dear Zoe") + spoken.end(false);
    String changed = body.replaceAll("(_count|_tokens|TokenCount)\":\\s*[0-9]+", "$1\":" + count);
    assertThat(changed).isNotEqualTo(body).contains(count);
    return changed;
  }

  @ParameterizedTest
  @MethodSource("noCounts")
  void whatIsNoCountIsNoneAndCostsNoAnswer(ProtocolReplies spoken, String count) {
    String body = counting(spoken, count);

    ChatResponse answer = client(spoken, body).chat(HI);

    assertThat(answer.text()).isEqualTo("Dear Zoe");
    assertThat(answer.usage()).isEqualTo(Usage.NONE);
    try (ChatStream stream = client(spoken, body).stream(HI)) {
      stream.forEach(event -> {});
      assertThat(stream.response().text()).isEqualTo("Dear Zoe");
      assertThat(stream.response().usage()).isEqualTo(Usage.NONE);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"0", "7", "7.0", "7e0", "100000000"})
  void aCountIsOneHoweverItIsWritten(String count) {
    for (ProtocolReplies spoken : ProtocolReplies.values()) {
      Usage usage = client(spoken, counting(spoken, count)).chat(HI).usage();

      int counted = (int) Double.parseDouble(count);
      // Gemini's is a sum: thinking is counted apart.
      int parts = spoken == ProtocolReplies.GEMINI ? 2 : 1;
      assertThat(usage.outputTokens()).as("%s", spoken).isEqualTo(parts * counted);
    }
  }

  @Test
  void aProvisionalCountIsNoLongerOneWhenTheLastIsUnknown() {
    String body =
        ProtocolReplies.ANTHROPIC.textDelta("Dear Zoe")
            + ProtocolReplies.ANTHROPIC
                .end(false)
                .replaceAll("_tokens\":\\s*[0-9]+", "_tokens\":null");

    assertThat(client(ProtocolReplies.ANTHROPIC, body).chat(HI).usage())
        .isEqualTo(new Usage(3, 0).withCache(2, 0).asNotReported());
  }

  @Test
  void aSumOfWhichOnePartIsUnknownIsUnknown() {
    String end = "data: {\"candidates\":[{\"finishReason\":\"STOP\"}],\"usageMetadata\":";
    String thought =
        "{\"promptTokenCount\":3,\"candidatesTokenCount\":2,\"thoughtsTokenCount\":%s}}";
    String body = ProtocolReplies.GEMINI.textDelta("Dear Zoe") + end + thought + "\n\n";

    assertThat(client(ProtocolReplies.GEMINI, body.formatted("-1")).chat(HI).usage())
        .isEqualTo(new Usage(3, 0).asNotReported());
    assertThat(client(ProtocolReplies.GEMINI, body.formatted("null")).chat(HI).usage())
        .isEqualTo(new Usage(3, 2));
    assertThat(client(ProtocolReplies.GEMINI, body.formatted("40")).chat(HI).usage())
        .isEqualTo(new Usage(3, 42).withThinking(40));
  }

  @Test
  void aSumOfManyDoesNotOverflow() {
    String body =
        counting(ProtocolReplies.ANTHROPIC, "99999999")
            .replace("\"cache_read", "\"cache_creation_input_tokens\":99999999,\"cache_read");

    assertThat(client(ProtocolReplies.ANTHROPIC, body).chat(HI).usage().inputTokens())
        .isEqualTo(299_999_997);
  }

  @Test
  void aContextBeyondMeasureIsOneThatNoAnswerFills() {
    String body = ProtocolReplies.OLLAMA.textDelta("Dear Zoe") + ProtocolReplies.OLLAMA.end(true);
    Node node = loopback.node(OllamaReplies.closing(body));
    Endpoint endpoint =
        Endpoint.ollama("node", node.url()).model("m").option("num_ctx", Long.MAX_VALUE).build();

    ChatResponse answer =
        loopback
            .client(LlmClient.builder().endpoint(endpoint))
            .chat(ChatRequest.builder().user("hi").maxTokens(2).build());

    assertThat(answer.finishReason()).isEqualTo(FinishReason.LENGTH);
  }
}
