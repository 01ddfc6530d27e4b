// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ch.qos.logback.classic.Level;
import dev.offmeter.guard.AnswerCheck;
import dev.offmeter.testing.LoggedEvents;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Values for what a request leaves unset: the request's, the endpoint's, the client's, 1024. */
@Timeout(20)
class RequestDefaultsTest {
  private static final String CUT =
      OllamaReplies.STREAM_HEAD
          + OllamaReplies.tokens("a", "b")
          + OllamaReplies.end("length", 1024)
          + OllamaReplies.LAST_CHUNK;

  @RegisterExtension final Loopback loopback = new Loopback();

  private final Node node = loopback.node(OllamaReplies.answering("a"));
  @RegisterExtension final LoggedEvents log = new LoggedEvents(Level.WARN);

  private static ChatRequest.Builder draft() {
    return ChatRequest.builder().user("draft");
  }

  private String sent(LlmClient client, ChatRequest request) {
    client.chat(request);
    return node.requests().get(node.requests().size() - 1).body();
  }

  @Test
  void theRequestWinsThenTheEndpointThenTheClientThen1024() {
    Endpoint plain = Loopback.ollama("mac", node).build();
    Endpoint own = plain.toBuilder().maxTokens(300).build();
    LlmClient bare = loopback.client(LlmClient.builder().endpoint(plain));
    LlmClient ofClient =
        loopback.client(LlmClient.builder().endpoint(plain).defaults(r -> r.maxTokens(200)));
    LlmClient ofBoth =
        loopback.client(LlmClient.builder().endpoint(own).defaults(r -> r.maxTokens(200)));

    assertThat(sent(bare, draft().build())).contains("\"num_predict\":1024");
    assertThat(sent(ofClient, draft().build())).contains("\"num_predict\":200");
    assertThat(sent(ofBoth, draft().build())).contains("\"num_predict\":300");
    assertThat(sent(ofBoth, draft().maxTokens(400).build())).contains("\"num_predict\":400");
    assertThat(sent(ofBoth, draft().maxTokens(1024).build())).contains("\"num_predict\":1024");
    assertThat(sent(loopback.client(ofBoth.toBuilder()), draft().build()))
        .contains("\"num_predict\":300");
  }

  @Test
  void eachSettingIsFilledInByItself() {
    Endpoint endpoint =
        Loopback.ollama("mac", node)
            .defaults(r -> r.temperature(0.25).stop("END"))
            .option("temperature", 0.9)
            .build();
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(endpoint)
                .defaults(r -> r.temperature(0.75).topP(0.5).seed(7).thinking(true)));

    assertThat(sent(client, draft().build()))
        .contains("\"temperature\":0.25", "\"top_p\":0.5", "\"seed\":7", "\"think\":true", "END");
    assertThat(sent(client, draft().temperature(0).topP(1).thinking(false).build()))
        .contains("\"temperature\":0.0", "\"top_p\":1.0", "\"think\":false");
  }

  @Test
  void aStreamAndAFunctionGetTheClientsDefaultsToo() {
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(Loopback.ollama("mac", node).build())
                .defaults(r -> r.maxTokens(200)));
    try (ChatStream stream = client.stream(draft().build())) {
      stream.response();
    }
    assertThat(node.requests().get(0).body()).contains("\"num_predict\":200");

    LlmClient local =
        loopback.client(
            LlmClient.builder()
                .endpoint(
                    Endpoint.local("template", r -> r.maxTokens() + " " + r.tags().get("a"))
                        .build())
                .defaults(r -> r.maxTokens(200).tag("a", "b")));
    assertThat(local.chat("draft").text()).isEqualTo("200 b");
  }

  @Test
  void whatConcernsTheCallIsFilledInToo() {
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(Loopback.ollama("mac", node).build())
                .defaults(
                    r ->
                        r.deadline(Duration.ofSeconds(9))
                            .onBrokenStream(StreamRecovery.HOLD)
                            .accept(AnswerCheck.mentions("1042"))));

    assertThatThrownBy(() -> client.chat("draft")).isInstanceOf(AllEndpointsFailedException.class);
    assertThat(client.chat(draft().accept(answer -> Optional.empty()).build()).text())
        .isEqualTo("a");
    try (ChatStream stream = client.stream(draft().build())) {
      assertThat(stream.textStream()).isNotNull();
    }
  }

  @Test
  void aConversationWithAToolsResultKeepsItsCaution() {
    ChatRequest.Builder defaults = ChatRequest.builder().onBrokenStream(StreamRecovery.RESTART);
    ChatRequest request =
        draft().message(Message.toolResult(new ChatResponse.ToolCall("1", "t", "{}"), "x")).build();

    assertThat(request.withCallDefaults(defaults).onBrokenStream()).isEqualTo(StreamRecovery.FAIL);
    assertThat(
            draft()
                .build()
                .withCallDefaults(ChatRequest.builder().onBrokenStream(StreamRecovery.FAIL)))
        .extracting(ChatRequest::onBrokenStream)
        .isEqualTo(StreamRecovery.FAIL);
  }

  @Test
  void aPrivateClientOpensNoSocketToAManagedEndpoint() {
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(Loopback.ollama("cloud", node).locality(Locality.MANAGED).build())
                .defaults(ChatRequest.Builder::selfHostedOnly));

    assertThatThrownBy(() -> client.chat("draft")).isInstanceOf(AllEndpointsFailedException.class);
    assertThat(node.requests()).isEmpty();
  }

  @Test
  void whatIsTheRequestsOwnIsRejectedBeforeAnySocketOpens() {
    List<Consumer<ChatRequest.Builder>> own =
        List.of(
            r -> r.system("be kind"), r -> r.tool("t", "what", "{}"), r -> r.answerSchema("{}"));
    for (Consumer<ChatRequest.Builder> defaults : own) {
      LlmClient.Builder builder =
          LlmClient.builder().endpoint(Loopback.ollama("mac", node).build()).defaults(defaults);
      assertThatThrownBy(builder::build)
          .isInstanceOf(IllegalStateException.class)
          .hasMessage(
              "defaults must not have messages, tools or an answerSchema: these are the request's"
                  + " own");
      Endpoint.Builder endpoint = Loopback.ollama("mac", node).defaults(defaults);
      assertThatThrownBy(endpoint::build)
          .isInstanceOf(IllegalStateException.class)
          .hasMessageStartingWith("endpoint 'mac': defaults must not have messages");
    }
    List<Consumer<ChatRequest.Builder>> clients =
        List.of(
            r -> r.deadline(Duration.ofSeconds(1)),
            r -> r.selfHostedOnly(),
            r -> r.tag("a", "b"),
            r -> r.onBrokenStream(StreamRecovery.FAIL));
    for (Consumer<ChatRequest.Builder> defaults : clients) {
      Endpoint.Builder endpoint = Loopback.ollama("mac", node).defaults(defaults);
      assertThatThrownBy(endpoint::build)
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining("must be of maxTokens, temperature,");
    }
    assertThatThrownBy(() -> Loopback.ollama("mac", node).maxTokens(0))
        .hasMessage("maxTokens must be at least 1, was 0");
    assertThatThrownBy(
            () ->
                LlmClient.builder()
                    .endpoint(Loopback.ollama("mac", node).build())
                    .defaults(r -> r.topP(2))
                    .build())
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("topP must be");
  }

  @Test
  void variablesSetTheClientsAndAnEndpointsLimit() {
    Node second = loopback.node(OllamaReplies.answering("b"));
    Map<String, String> variables =
        Map.of(
            "OFFMETER_ENDPOINTS_0_URL",
            node.url(),
            "OFFMETER_ENDPOINTS_0_MAXTOKENS",
            "300",
            "OFFMETER_ENDPOINTS_1_URL",
            second.url(),
            "OFFMETER_MAXTOKENS",
            "200");
    node.respondWith(OllamaReplies.status(503, "text/plain", "down"));
    LlmClient client = loopback.client(LlmClient.builder().fromEnv(variables));
    client.chat("draft");

    assertThat(node.requests().get(0).body()).contains("\"num_predict\":300");
    assertThat(second.requests().get(0).body()).contains("\"num_predict\":200");
    for (String name : List.of("OFFMETER_MAXTOKENS", "OFFMETER_ENDPOINTS_0_MAXTOKENS")) {
      for (String value : List.of("0", "-1", "many", "1e3", "\"5\"", " 5", "99999999999")) {
        Map<String, String> wrong = Map.of("OFFMETER_ENDPOINTS_0_URL", node.url(), name, value);
        assertThatThrownBy(() -> LlmClient.fromEnv(wrong))
            .isInstanceOf(IllegalArgumentException.class)
            .hasMessageStartingWith(name)
            .hasMessageContaining("must be ");
      }
    }
  }

  private List<String> warnings() {
    return log.messages();
  }

  @Test
  void anAnswerThatEndsAtTheDefaultSaysOnceWhatToSet() {
    node.respondWith((connection, request) -> connection.send(CUT));
    LlmClient client =
        loopback.client(LlmClient.builder().endpoint(Loopback.ollama("mac", node).build()));
    try (ChatStream stream = client.stream(draft().build())) {
      stream.response();
    }
    assertThat(warnings()).hasSize(1);
    client.chat("draft");
    assertThat(warnings()).hasSize(1);
    loopback
        .client(LlmClient.builder().endpoint(Loopback.ollama("mac", node).build()))
        .chat("draft");

    assertThat(warnings()).hasSize(2);
    assertThat(warnings().subList(1, 2))
        .containsExactly(
            "an answer of mac ended at the default of 1024 tokens (LENGTH): set maxTokens on the"
                + " request or the endpoint, LlmClient.Builder.defaults, or OFFMETER_MAXTOKENS;"
                + " said once");
  }

  @Test
  void aLimitThatSomebodyChoseIsNotSpokenOf() {
    node.respondWith((connection, request) -> connection.send(CUT));
    Endpoint plain = Loopback.ollama("mac", node).build();
    loopback.client(LlmClient.builder().endpoint(plain)).chat(draft().maxTokens(1024).build());
    loopback
        .client(LlmClient.builder().endpoint(plain.toBuilder().maxTokens(1024).build()))
        .chat("draft");
    loopback
        .client(LlmClient.builder().endpoint(plain).defaults(r -> r.maxTokens(1024)))
        .chat("draft");
    node.respondWith(OllamaReplies.answering("whole"));
    loopback.client(LlmClient.builder().endpoint(plain)).chat("draft");

    assertThat(warnings()).isEmpty();
  }
}
