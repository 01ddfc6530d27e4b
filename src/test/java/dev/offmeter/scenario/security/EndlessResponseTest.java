// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.security;

import static dev.offmeter.testing.Loopback.ollama;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.LlmException;
import dev.offmeter.StreamRecovery;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.ProtocolReplies;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A server that never ends, as fast as it can or a little at a time. */
@Timeout(30)
class EndlessResponseTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final String HEAD = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";

  /** The pause of a node that trickles: it sends little, and often enough for every limit here. */
  private static final Duration PACE = Duration.ofMillis(20);

  private static final ChatRequest REQUEST =
      ChatRequest.builder().user("draft a reminder").maxTokens(100).build();

  private static final ChatRequest TOOLS =
      REQUEST.toBuilder().tool("get_weather", "the weather", "{\"type\":\"object\"}").build();

  private Node node;
  private Node fallback;

  @BeforeEach
  void start() {
    node = loopback.node(OllamaReplies.hanging());
    fallback = loopback.node(OllamaReplies.answering("FALLBACK"));
  }

  private static Endpoint.Builder endpoint(ProtocolReplies spoken, Node node) {
    return spoken.endpoint("node", node.url());
  }

  private LlmClient client(Endpoint.Builder first) {
    return loopback.client(
        LlmClient.builder().endpoint(first.build()).endpoint(ollama("fallback", fallback).build()));
  }

  private static Node.Script flood(String begin, String again) {
    String much = again.repeat(1 + 8000 / again.length());
    return (connection, request) -> {
      connection.send(HEAD + begin);
      while (true) {
        connection.send(much);
      }
    };
  }

  private static Node.Script trickle(String begin, String again) {
    return (connection, request) -> {
      connection.send(HEAD + begin);
      while (true) {
        connection.send(again);
        LockSupport.parkNanos(PACE.toNanos());
      }
    };
  }

  /** Checks that a chat and a stream fail so, and that the fallback answers both. */
  private void endsAs(LlmClient client, ChatRequest request, FailureKind... kinds) {
    ChatResponse whole = client.chat(request);
    assertThat(whole.text()).isEqualTo("FALLBACK");
    assertThat(whole.attempts().get(0).failure().orElseThrow()).isIn(List.of(kinds));
    try (ChatStream stream = client.stream(request)) {
      ChatResponse read = stream.response();
      assertThat(read.text()).isEqualTo("FALLBACK");
      assertThat(read.attempts().get(0).failure().orElseThrow()).isIn(List.of(kinds));
    }
  }

  @ParameterizedTest
  @EnumSource(ProtocolReplies.class)
  void aFloodOfTextIsStopped(ProtocolReplies spoken) {
    node.respondWith(flood("", spoken.textDelta("so on ")));

    endsAs(client(endpoint(spoken, node)), REQUEST, FailureKind.RUNAWAY);
  }

  @ParameterizedTest
  @EnumSource(ProtocolReplies.class)
  void soIsOneOfLargePiecesOrOfBlanks(ProtocolReplies spoken) {
    node.respondWith(flood("", spoken.textDelta("so on ".repeat(1000))));
    endsAs(client(endpoint(spoken, node)), REQUEST, FailureKind.RUNAWAY);

    node.respondWith(flood("", spoken.textDelta(" ")));
    endsAs(client(endpoint(spoken, node)), REQUEST, FailureKind.RUNAWAY);
  }

  @ParameterizedTest
  @EnumSource(ProtocolReplies.class)
  void soIsThinkingWithoutEnd(ProtocolReplies spoken) {
    node.respondWith(flood("", spoken.thinkingDelta("and then ".repeat(200))));

    endsAs(client(endpoint(spoken, node)), REQUEST, FailureKind.RUNAWAY);
  }

  @ParameterizedTest
  @EnumSource(
      value = ProtocolReplies.class,
      names = {"OPENAI", "GEMINI"})
  void aLongTextThatHasEndedIsNone(ProtocolReplies spoken) {
    String text = "so on ".repeat(1000);
    String event =
        spoken == ProtocolReplies.OPENAI
            ? "{\"choices\":[{\"delta\":{\"content\":\""
                + text
                + "\"},\"finish_reason\":\"stop\"}]}"
            : "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\""
                + text
                + "\"}]},\"finishReason\":\"STOP\"}]}";
    node.respondWith(
        (connection, request) -> {
          connection.send(HEAD + "data: " + event + "\n\n" + ": and now the usage\n\n");
          connection.close();
        });
    ChatRequest few = REQUEST.toBuilder().maxTokens(5).build();
    LlmClient client = client(endpoint(spoken, node));

    assertThat(client.chat(few).text()).isEqualTo(text);
    try (ChatStream stream = client.stream(few)) {
      assertThat(stream.response().text()).isEqualTo(text);
    }
  }

  @ParameterizedTest
  @EnumSource(ProtocolReplies.class)
  void withoutRecoveryAStreamEndsWithThePartialText(ProtocolReplies spoken) {
    node.respondWith(flood(spoken.textDelta("Dear Zoe, "), spoken.textDelta("so on ")));
    ChatRequest fail = REQUEST.toBuilder().onBrokenStream(StreamRecovery.FAIL).build();

    try (ChatStream stream = client(endpoint(spoken, node)).stream(fail)) {
      assertThatThrownBy(stream::response)
          .isInstanceOfSatisfying(
              LlmException.class,
              e -> {
                assertThat(e.partialText()).startsWith("Dear Zoe, so on so on");
                assertThat(e.attempts().get(0).failure()).contains(FailureKind.RUNAWAY);
              });
    }
    assertThat(fallback.requests()).isEmpty();
  }

  @ParameterizedTest
  @EnumSource(value = ProtocolReplies.class)
  void toolCallsWithoutEndAreStopped(ProtocolReplies spoken) {
    node.respondWith(flood("", spoken.toolCall("get_weather", "{\"city\":\"Bern\"}")));

    endsAs(client(endpoint(spoken, node)), TOOLS, FailureKind.RUNAWAY);
  }

  @ParameterizedTest
  @EnumSource(ProtocolReplies.class)
  void framesThatCarryNothingAreBoundedHoweverFast(ProtocolReplies spoken) {
    for (String begin : List.of("", spoken.textDelta("Dear"))) {
      for (String again : List.of(spoken.textDelta(""), "\n", " ", ": ping\n\n")) {
        node.respondWith(flood(begin, again));
        LlmClient client = client(endpoint(spoken, node).maxAnswerBytes(300_000));
        ChatResponse response = client.chat(REQUEST);

        assertThat(response.text()).isEqualTo("FALLBACK");
        assertThat(response.attempts().get(0).failure().orElseThrow())
            .isIn(FailureKind.RESPONSE_TOO_LARGE, FailureKind.UNEXPECTED_RESPONSE);
      }
    }
  }

  @ParameterizedTest
  @EnumSource(ProtocolReplies.class)
  void framesThatCarryNothingAreNoFirstToken(ProtocolReplies spoken) {
    node.respondWith(trickle("", spoken.textDelta("")));
    Duration limit = Duration.ofMillis(300);
    endsAs(
        client(endpoint(spoken, node).firstTokenTimeout(limit)),
        REQUEST,
        FailureKind.FIRST_TOKEN_TIMEOUT);

    node.respondWith(trickle("", " \n"));
    endsAs(
        client(endpoint(spoken, node).firstTokenTimeout(limit)),
        REQUEST,
        FailureKind.FIRST_TOKEN_TIMEOUT);
  }

  @ParameterizedTest
  @EnumSource(ProtocolReplies.class)
  void norAnyProgressOnceTheAnswerHasBegun(ProtocolReplies spoken) {
    node.respondWith(trickle(spoken.textDelta("Dear"), spoken.textDelta("")));

    endsAs(
        client(endpoint(spoken, node).stallTimeout(Duration.ofMillis(300))),
        REQUEST,
        FailureKind.STALLED);
  }

  @ParameterizedTest
  @EnumSource(
      value = ProtocolReplies.class,
      names = {"OPENAI", "ANTHROPIC"})
  void anEmptyPartOfAToolCallIsNoProgressEither(ProtocolReplies spoken) {
    String empty =
        spoken == ProtocolReplies.OPENAI
            ? "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,"
                + "\"function\":{\"arguments\":\"\"}}]}}]}\n\n"
            : "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
                + "\"input_json_delta\",\"partial_json\":\"\"}}\n\n";
    node.respondWith(trickle(spoken.textDelta("Dear"), empty));

    endsAs(
        client(endpoint(spoken, node).stallTimeout(Duration.ofMillis(300))),
        TOOLS,
        FailureKind.STALLED);
  }
}
