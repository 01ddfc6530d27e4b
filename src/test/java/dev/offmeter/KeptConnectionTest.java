// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import static dev.offmeter.testing.Loopback.ollama;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.Replies;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A connection that is kept for the next call may be closed when it comes. */
class KeptConnectionTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private final Set<Object> answered = ConcurrentHashMap.newKeySet();

  private LlmClient client(Node node) {
    return loopback.client(
        LlmClient.builder()
            .endpoint(ollama("node", node).build())
            .endpoint(Endpoint.local("template", request -> "TEMPLATE").build()));
  }

  /** Answers once a connection, and drops the next request on it unread. */
  private Node.Script closingAfterEachAnswer(boolean reset) {
    return (connection, request) -> {
      if (answered.add(connection)) {
        Replies.answering("NODE").answer(connection, request);
      } else if (reset) {
        connection.reset();
      } else {
        connection.close();
      }
    };
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void aRequestThatMeetsTheCloseIsSentOverANewOne(boolean reset) {
    Node node = loopback.node(closingAfterEachAnswer(reset));
    LlmClient client = client(node);

    for (int i = 0; i < 5; i++) {
      ChatResponse response = client.chat("hello");
      assertThat(response.endpoint()).isEqualTo("node");
      assertThat(response.attempts()).hasSize(1);
    }
  }

  @Test
  void aNewConnectionThatIsClosedIsAFailedAttempt() {
    Node node = loopback.node((connection, request) -> connection.close());

    ChatResponse response = client(node).chat("hello");

    assertThat(response.endpoint()).isEqualTo("template");
    assertThat(response.attempts().get(0).failure()).contains(FailureKind.CONNECTION_LOST);
    assertThat(node.requests()).hasSize(1);
  }

  @Test
  void itIsSentOnceMoreOnly() {
    Node node = loopback.node(Replies.answering("NODE"));
    LlmClient client = client(node);
    client.chat("hello");
    node.behaves((connection, request) -> connection.close());

    assertThat(client.chat("hello").endpoint()).isEqualTo("template");
    assertThat(node.requests()).hasSize(3);
  }
}
