// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.models;

import static dev.offmeter.testing.Loopback.awaitSoon;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.spi.ILoggingEvent;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatStream;
import dev.offmeter.Dialect;
import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import dev.offmeter.LlmException;
import dev.offmeter.Locality;
import dev.offmeter.testing.Connection;
import dev.offmeter.testing.LoggedEvents;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.ServerReplies;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** An Ollama that is asked by OpenAI's API, where it cuts long prompts in silence. */
@Timeout(20)
class OllamaBehindOpenAiApiTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final String VERSION = "GET /api/version HTTP/1.1";

  @RegisterExtension final LoggedEvents log = new LoggedEvents(Level.WARN);

  private Node node(String version) {
    Node node = loopback.node(ServerReplies.openAi("NODE"));
    return node.respondToProbesWith(
        (connection, request) -> {
          String models = "{\"data\":[{\"id\":\"m\"}]}";
          boolean asked = request.line().equals(VERSION);
          answer(asked ? version : models, connection, request);
        });
  }

  private static void answer(String body, Connection connection, Connection.Request request)
      throws IOException {
    boolean none = body.isEmpty();
    OllamaReplies.status(none ? 404 : 200, "application/json", body).answer(connection, request);
  }

  private LlmClient client(Endpoint.Builder endpoint) {
    return loopback.client(LlmClient.builder().endpoint(endpoint.model("m").build()));
  }

  private List<String> recommended() {
    return log.events().stream()
        .filter(event -> event.getLevel() == Level.WARN)
        .map(ILoggingEvent::getFormattedMessage)
        .filter(message -> message.contains("Endpoint.ollama"))
        .toList();
  }

  private static long asked(Node node) {
    return node.probes().stream().filter(probe -> probe.line().equals(VERSION)).count();
  }

  @ParameterizedTest
  @EnumSource(names = {"GENERIC", "OLLAMA"})
  void warmUpRecommendsItsOwnApiOnce(Dialect dialect) {
    Node node = node("{\"version\":\"0.33.0\"}");
    LlmClient client = client(Endpoint.openAi("primary", node.url()).dialect(dialect));

    client.warmUp().join();
    client.warmUp().join();

    awaitSoon(() -> !recommended().isEmpty());
    assertThat(recommended())
        .containsExactly(
            "endpoint primary is asked by OpenAI's API, but is an Ollama, which cuts a long prompt"
                + " there in silence: use Endpoint.ollama, which asks it by its own; said once");
    assertThat(asked(node)).isOne();
  }

  @Test
  void theFirstAnswerHasItAskedOnceForAllCalls() {
    Node node = node("{\"version\":\"0.33.0\"}");
    LlmClient client = client(Endpoint.openAi("primary", node.url()));

    for (int i = 0; i < 3; i++) {
      assertThat(client.chat("hello").text()).isEqualTo("NODE");
    }
    client.warmUp().join();

    awaitSoon(() -> !recommended().isEmpty());
    assertThat(recommended()).hasSize(1);
    assertThat(asked(node)).isOne();
  }

  @Test
  void theFirstStreamHasItAskedToo() {
    Node node = node("{\"version\":\"0.33.0\"}");

    try (ChatStream stream =
        client(Endpoint.openAi("primary", node.url())).stream(
            ChatRequest.builder().user("hello").build())) {
      stream.forEach(event -> {});
    }

    awaitSoon(() -> !recommended().isEmpty());
  }

  @Test
  void noCallWaitsForWhatItSaysOfItself() {
    Node node = loopback.node(ServerReplies.openAi("NODE"));
    CountDownLatch asked = new CountDownLatch(1);
    node.respondToProbesWith((connection, request) -> asked.countDown());
    LlmClient client = client(Endpoint.openAi("primary", node.url()));

    assertThat(client.chat("hello").text()).isEqualTo("NODE");
    awaitSoon(() -> asked.getCount() == 0);
    assertThat(client.chat("hello").text()).isEqualTo("NODE");
    client.close();

    assertThat(recommended()).isEmpty();
    assertThat(asked(node)).isOne();
  }

  @Test
  void anEndpointThatNeverAnswersIsNotAsked() {
    Node node = node("{\"version\":\"0.33.0\"}");
    node.respondWith(OllamaReplies.status(500, "", ""));
    LlmClient client = client(Endpoint.openAi("primary", node.url()));

    assertThatThrownBy(() -> client.chat("hello")).isInstanceOf(LlmException.class);

    assertThat(asked(node)).isZero();
  }

  @ParameterizedTest
  @EnumSource(names = {"VLLM", "LLAMA_SERVER", "TGI", "LOCAL_AI", "LM_STUDIO"})
  void oneOfAnotherDialectIsNotAsked(Dialect dialect) {
    Node node = node("{\"version\":\"0.33.0\"}");
    LlmClient client = client(Endpoint.openAi("primary", node.url()).dialect(dialect));

    assertThat(client.chat("hello").text()).isEqualTo("NODE");
    client.close();

    assertThat(asked(node)).isZero();
  }

  @Test
  void anotherKindOfServerIsNotRecommendedAnything() {
    Node node = node("");
    LlmClient client = client(Endpoint.openAi("primary", node.url()));

    client.warmUp().join();

    awaitSoon(() -> asked(node) == 1);
    client.close();
    assertThat(recommended()).isEmpty();
  }

  @Test
  void aManagedServerIsNotAsked() {
    Node node = node("{\"version\":\"0.33.0\"}");
    LlmClient client = client(Endpoint.openAi("primary", node.url()).locality(Locality.MANAGED));

    client.warmUp().join();
    assertThat(client.chat("hello").text()).isEqualTo("NODE");
    client.close();

    assertThat(node.probes()).isEmpty();
  }
}
