// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.security;

import static dev.offmeter.testing.TwoNodes.template;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.StreamRecovery;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.ProtocolReplies;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** The bytes that a server sends beside a body have a bound too. */
@Timeout(30)
class UnreadBytesLimitTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final ChatRequest REQUEST =
      ChatRequest.builder().user("draft a reminder").maxTokens(100).build();

  private final AtomicLong sent = new AtomicLong();

  private LlmClient client(Endpoint.Builder first) {
    return loopback.client(
        LlmClient.builder()
            .maxTokensAtMost(200_000)
            .endpoint(first.model("m").build())
            .endpoint(template()));
  }

  /** Counts the blocks that went out. */
  private Node.Script counted(EndlessResponse hostile) {
    return new EndlessResponse(
            hostile.name(),
            hostile.begin(),
            i -> {
              byte[] more = hostile.again().apply(i);
              sent.addAndGet(more.length);
              return more;
            },
            hostile.unread(),
            hostile.small())
        .script();
  }

  private static Stream<EndlessResponse> beside() {
    return Stream.concat(
        EndlessResponse.outsideBody().stream(),
        EndlessResponse.compressed(ProtocolReplies.OLLAMA).stream()
            .filter(EndlessResponse::unread));
  }

  @ParameterizedTest
  @MethodSource("beside")
  void whatHasNoEndThereIsTooLarge(EndlessResponse hostile) {
    Node node = loopback.node(counted(hostile));

    ChatResponse whole = client(Endpoint.ollama("node", node.url())).chat(REQUEST);
    assertThat(whole.text()).isEqualTo("TEMPLATE");
    assertThat(whole.attempts().get(0).failure()).contains(FailureKind.RESPONSE_TOO_LARGE);
    for (StreamRecovery recovery : List.of(StreamRecovery.RESTART, StreamRecovery.HOLD)) {
      LlmClient client = client(Endpoint.ollama("node", node.url()));
      try (ChatStream stream =
          client.stream(REQUEST.toBuilder().onBrokenStream(recovery).build())) {
        ChatResponse read = stream.response();
        assertThat(read.text()).isEqualTo("TEMPLATE");
        assertThat(read.attempts().get(0).failure()).contains(FailureKind.RESPONSE_TOO_LARGE);
      }
    }
    // The buffers of both sockets come on top, for three calls.
    assertThat(sent.get()).isLessThan(3 * (8 << 20));
  }

  @ParameterizedTest
  @MethodSource("beside")
  void aHealthCheckIsBoundedAndBad(EndlessResponse hostile) throws Exception {
    Node node = loopback.node(OllamaReplies.status(401, "text/plain", "the key is wrong"));
    LlmClient client = client(Endpoint.ollama("node", node.url()));
    assertThat(client.chat(REQUEST).text()).isEqualTo("TEMPLATE");
    node.respondWith(OllamaReplies.answering("NODE"));
    node.respondToProbesWith(counted(hostile));

    assertThat(client.recheck("node").get().state()).isEqualTo(EndpointState.DOWN);
    assertThat(client.diagnose().toString()).doesNotContain("INTERNAL");
    // A diagnosis asks for several things.
    assertThat(sent.get()).isLessThan(10 * (8 << 20));
  }

  @ParameterizedTest
  @EnumSource(ProtocolReplies.class)
  void aTailWithoutEndCostsNoAnswer(ProtocolReplies spoken) {
    String answer = OllamaReplies.chunk(spoken.stream("A whole answer."));
    String head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (String tail : List.of("0\r\nX-More: ", "5;", "0")) {
      Node node =
          loopback.node(
              (connection, request) -> {
                connection.send(head + answer + tail);
                while (true) {
                  connection.send("x".repeat(10_000));
                }
              });
      LlmClient client = client(spoken.endpoint("node", node.url()));

      assertThat(client.chat(REQUEST).text()).isEqualTo("A whole answer.");
      try (ChatStream stream = client.stream(REQUEST)) {
        assertThat(stream.response().text()).isEqualTo("A whole answer.");
      }
    }
  }

  @Test
  void aLongAnswerInTheSmallestChunksIsTakenWhole() {
    String text = "so on ".repeat(50_000);
    StringBuilder reply =
        new StringBuilder("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    ProtocolReplies.OLLAMA.stream(text)
        .chars()
        .forEach(c -> reply.append("1;kept=open\r\n").append((char) c).append("\r\n"));
    String whole = reply.append("0\r\n\r\n").toString();
    Node node = loopback.node((connection, request) -> connection.send(whole));
    LlmClient client = client(Endpoint.ollama("node", node.url()));

    for (int i = 0; i < 3; i++) {
      ChatResponse response = client.chat(REQUEST.toBuilder().maxTokens(200_000).build());
      assertThat(response.endpoint()).isEqualTo("node");
      assertThat(response.text()).isEqualTo(text);
    }
  }
}
