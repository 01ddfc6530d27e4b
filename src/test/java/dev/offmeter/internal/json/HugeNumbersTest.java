// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.json;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.offmeter.AllEndpointsFailedException;
import dev.offmeter.Attempt;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatResponse.ToolCall;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.ProtocolReplies;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A number that no type holds, or that is short to write and long to compute with. */
@Timeout(20)
class HugeNumbersTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final List<String> NUMBERS =
      List.of(
          "1e99999999999",
          "-1e-99999999999",
          "1e2147483648",
          "1e2147483647",
          "1e999999999",
          "-1.5e-999999999",
          "9".repeat(990),
          "9".repeat(5000),
          "0." + "9".repeat(5000),
          "1e" + "9".repeat(5000));

  private static final String SCHEMA =
      "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"%s\"},\"b\":{\"enum\":[1,2.5]},"
          + "\"c\":{\"const\":1e999999998}}}";

  /** The types for which a model may write a number. */
  record Sums(double a, float b, long c, BigDecimal d, BigInteger e) {}

  private static Stream<Arguments> numbers() {
    return Stream.of(ProtocolReplies.values())
        .flatMap(spoken -> NUMBERS.stream().map(number -> Arguments.of(spoken, number)));
  }

  private LlmClient client(ProtocolReplies spoken, String body) {
    Node node = loopback.node(OllamaReplies.closing(body));
    Endpoint.Builder first = spoken.endpoint("node", node.url());
    return loopback.client(
        LlmClient.builder()
            .endpoint(first.build())
            .endpoint(
                Endpoint.local("template", request -> "{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1}")
                    .build()));
  }

  private static List<FailureKind> failures(LlmClient client, ChatRequest request) {
    List<Attempt> attempts;
    try {
      attempts = client.chat(request).attempts();
    } catch (AllEndpointsFailedException e) {
      attempts = e.attempts();
    }
    return attempts.stream().flatMap(attempt -> attempt.failure().stream()).toList();
  }

  private static void isAnsweredOrFailsAs(ChatResponse response, FailureKind... kinds) {
    response.attempts().get(0).failure().ifPresent(kind -> assertThat(kind).isIn((Object[]) kinds));
  }

  @ParameterizedTest
  @MethodSource("numbers")
  void inArgumentsItIsKeptAsWrittenOrFails(ProtocolReplies spoken, String number) {
    String call = spoken.toolCall("f", "{\"a\":" + number + "}") + spoken.end(false);
    ChatRequest request = ChatRequest.builder().user("x").tool("f", "d", "{}").build();

    ChatResponse response = client(spoken, call).chat(request);

    isAnsweredOrFailsAs(response, FailureKind.MODEL_STOPPED, FailureKind.RESPONSE_TOO_LARGE);
    for (ToolCall made : response.toolCalls()) {
      String kept = made.arguments().replaceAll("[{}\" a:]", "");
      assertThat(new BigDecimal(kept)).isEqualTo(new BigDecimal(number));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"1e99999999999", "-1e-99999999999", "1.5E+99999999999"})
  void inArgumentsItIsNamed(String number) {
    for (ProtocolReplies spoken : ProtocolReplies.values()) {
      String call = spoken.toolCall("f", "{\"a\":[{\"b\":" + number + "}]}") + spoken.end(false);
      ChatRequest request = ChatRequest.builder().user("x").tool("f", "d", "{}").build();

      Attempt attempt = client(spoken, call).chat(request).attempts().get(0);

      assertThat(attempt.failure()).as("%s", spoken).contains(FailureKind.MODEL_STOPPED);
      assertThat(attempt.message())
          .as("%s", spoken)
          .isEqualTo("a tool call with a number out of range");
    }
  }

  @ParameterizedTest
  @MethodSource("numbers")
  void inAnAnswerItFitsOrDoesNot(ProtocolReplies spoken, String number) {
    String answer = "{\"a\":N,\"b\":N,\"c\":N,\"d\":N,\"e\":N}".replace("N", number);
    String body = spoken.stream(answer.replace("\"", "\\\""));
    for (String type : List.of("number", "integer", "string")) {
      ChatRequest request =
          ChatRequest.builder().user("x").answerSchema(String.format(SCHEMA, type)).build();
      assertThat(failures(client(spoken, body), request))
          .allMatch(FailureKind.FORMAT_MISMATCH::equals);
    }
    ChatRequest request = ChatRequest.builder().user("x").build();
    isAnsweredOrFailsAs(
        client(spoken, body).chat(request, Sums.class).response(), FailureKind.FORMAT_MISMATCH);
  }

  @ParameterizedTest
  @MethodSource("numbers")
  void whereItOnlyInformsItCostsNoAnswer(ProtocolReplies spoken, String number) {
    String end = spoken.end(false).replaceAll(":\\s*[23]([,}])", ":" + number + "$1");
    assertThat(end).contains(number);
    ChatRequest request = ChatRequest.builder().user("x").build();

    ChatResponse response = client(spoken, spoken.textDelta("Dear Zoe") + end).chat(request);

    assertThat(response.text()).isEqualTo("Dear Zoe");
  }

  @Test
  void inAConversationThatGoesOnItIsRejectedOrSent() {
    for (String number : NUMBERS) {
      String arguments = "{\"a\":" + number + "}";
      if (!Json.isObject(arguments)) {
        assertThatThrownBy(() -> new ToolCall("1", "f", arguments))
            .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> ChatRequest.builder().tool("f", "d", arguments))
            .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> ChatRequest.builder().answerSchema(arguments))
            .isInstanceOf(IllegalArgumentException.class);
      }
    }
    assertThat(Json.isObject("{\"a\":1e999999999}")).isTrue();
    assertThat(Json.isObject("{\"a\":1e99999999999}")).isFalse();
  }
}
