// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.failover;

import static dev.offmeter.testing.Loopback.ollama;
import static dev.offmeter.testing.TwoNodes.template;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.offmeter.AllEndpointsFailedException;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.ClientInternals;
import dev.offmeter.Dialect;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.LlmException;
import dev.offmeter.testing.Connection;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.ServerReplies;
import dev.offmeter.testing.TwoNodes;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Servers of every kind behind one call. */
class MixedServersTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private final TwoNodes nodes = TwoNodes.inRealTime(loopback);
  private final Node primary = nodes.primary().respondWith(ServerReplies.openAi("PRIMARY"));
  private final Node fallback = nodes.fallback();

  private Endpoint.Builder openAi() {
    return Endpoint.openAi("primary", primary.url()).model("m").apiKey("the-key");
  }

  private static ChatRequest.Builder request() {
    return ChatRequest.builder().user("draft a reminder");
  }

  @Test
  void aListOfEveryKindAnswersInTurnAsEachIsKilled() {
    Node home = loopback.node(OllamaReplies.answering("OLLAMA"));
    Node llama = loopback.node(ServerReplies.openAi("LLAMA"));
    Node gemini = loopback.node(ServerReplies.gemini("GEMINI"));
    Node anthropic = loopback.node(ServerReplies.anthropic("ANTHROPIC"));
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(ollama("home", home).build())
                .endpoint(Endpoint.openAi("llama", llama.url()).model("m").build())
                .endpoint(Endpoint.gemini("gemini", gemini.url()).model("m").apiKey("k").build())
                .endpoint(Endpoint.anthropic("claude", anthropic.url()).model("m").build())
                .endpoint(template()));

    for (Node next : List.of(home, llama, gemini, anthropic)) {
      ChatResponse response = client.chat("draft a reminder");
      assertThat(response.model()).isEqualTo("served");
      assertThat(next.requests()).hasSize(1);
      next.close();
    }
    ChatResponse last = client.chat("draft a reminder");
    assertThat(last.text()).isEqualTo("TEMPLATE");
    assertThat(last.attempts()).hasSize(5);
  }

  static Stream<Arguments> keys() {
    return Stream.of(
        Arguments.of("Authorization", "Bearer the-key"),
        Arguments.of("x-goog-api-key", "the-key"),
        Arguments.of("x-api-key", "the-key"));
  }

  @ParameterizedTest
  @MethodSource("keys")
  void theKeyGoesWhereEachServerLooksForIt(String header, String value) {
    Endpoint.Builder builder =
        switch (header) {
          case "x-goog-api-key" -> Endpoint.gemini("primary", primary.url());
          case "x-api-key" -> Endpoint.anthropic("primary", primary.url());
          default -> Endpoint.openAi("primary", primary.url());
        };
    nodes.client(builder.model("m").apiKey("the-key")).chat("draft a reminder");

    Connection.Request asked = primary.requests().get(0);
    assertThat(asked.header(header)).isEqualTo(value);
    assertThat(asked.head().stream().filter(line -> line.contains("the-key"))).hasSize(1);
    assertThat(asked.line()).doesNotContain("the-key");
  }

  static Stream<Node.Script> refusals() {
    return Stream.of(
        ServerReplies.events(
            ServerReplies.openAiPiece("I"), ServerReplies.openAiEnd("content_filter"), "[DONE]"),
        ServerReplies.events(
            "{\"choices\":[{\"index\":0,\"delta\":{\"refusal\":\"I cannot help with that\"}}]}"),
        OllamaReplies.status(
            400,
            "application/json",
            "{\"error\":{\"message\":\"filtered\",\"code\":\"content_filter\"}}"));
  }

  @ParameterizedTest
  @MethodSource("refusals")
  void anExplicitRefusalStopsTheCallAndIsReportedAsSuch(Node.Script refusal) {
    primary.respondWith(refusal);

    LlmException stopped =
        catchThrowableOfType(
            LlmException.class, () -> nodes.client(openAi()).chat("draft a reminder"));

    assertThat(stopped)
        .isNotInstanceOf(AllEndpointsFailedException.class)
        .hasMessageStartingWith("the call was stopped: endpoint 'primary' refuses: ")
        .hasMessageNotContaining("cannot help");
    assertThat(stopped.failure()).contains(FailureKind.CONTENT_FILTERED);
    assertThat(fallback.requests()).isEmpty();
  }

  @ParameterizedTest
  @MethodSource("refusals")
  void aCallerMayChooseToGoOnAfterARefusal(Node.Script refusal) {
    primary.respondWith(refusal);

    ChatResponse response =
        nodes.client(openAi()).chat(request().continueWhenFiltered(true).build());

    assertThat(response.text()).isEqualTo("FALLBACK");
    assertThat(response.attempts().get(0).failure()).contains(FailureKind.CONTENT_FILTERED);
  }

  @Test
  void aRefusalSaysNothingOfTheServersHealth() {
    primary.respondWith(ServerReplies.events(ServerReplies.openAiEnd("content_filter")));
    LlmClient client = nodes.client(openAi());
    for (int i = 0; i < 5; i++) {
      assertThatThrownBy(() -> client.chat("draft a reminder")).isInstanceOf(LlmException.class);
    }

    assertThat(primary.requests()).hasSize(5);
  }

  @Test
  void aRateThatIsSpentGoesToTheNextEndpointWithoutAWait() {
    ManualTime time = loopback.manualTime();
    LlmClient client =
        loopback.client(
            ClientInternals.builder(time)
                .endpoint(openAi().requestsPerMinute(2).build())
                .endpoint(ollama("fallback", fallback).build()));

    assertThat(client.chat("x").text()).isEqualTo("PRIMARY");
    time.advance(Duration.ofSeconds(30));
    assertThat(client.chat("x").text()).isEqualTo("PRIMARY");
    ChatResponse third = client.chat("x");
    assertThat(third.text()).isEqualTo("FALLBACK");
    assertThat(third.attempts().get(0).failure()).contains(FailureKind.CLIENT_RATE_LIMITED);
    assertThat(third.attempts().get(0).message())
        .isEqualTo("all 2 requests of the last minute are used up");
    time.advance(Duration.ofSeconds(30));
    assertThat(client.chat("x").text()).isEqualTo("PRIMARY");
    assertThat(client.chat("x").text()).isEqualTo("FALLBACK");
    time.advance(Duration.ofSeconds(29));
    assertThat(client.chat("x").text()).isEqualTo("FALLBACK");
    time.advance(Duration.ofSeconds(1));
    assertThat(client.chat("x").text()).isEqualTo("PRIMARY");
  }

  @Test
  void aRetryThatTheRateForbidsHidesNoFailure() {
    ManualTime time = loopback.manualTime();
    primary.respondWith(OllamaReplies.status(500, "", ""));
    LlmClient client =
        loopback.client(
            ClientInternals.builder(time)
                .endpoint(openAi().requestsPerMinute(1).retries(0).build())
                .endpoint(ollama("fallback", fallback).build()));
    client.chat("x");
    assertThat(client.chat("x").attempts().get(0).failure())
        .contains(FailureKind.CLIENT_RATE_LIMITED);
    time.advance(Duration.ofSeconds(61));
    assertThat(client.chat("x").attempts().get(0).failure()).contains(FailureKind.SERVER_ERROR);
    time.advance(Duration.ofSeconds(1));
    assertThat(client.chat("x").attempts().get(0).failure()).contains(FailureKind.CIRCUIT_OPEN);
  }

  @Test
  void aServerMaySayThatARetryIsNoUse() {
    ManualTime time = loopback.manualTime();
    primary.respondWith(OllamaReplies.status(500, "", "", "x-should-retry: false"));
    LlmClient client =
        loopback.client(
            ClientInternals.builder(time)
                .endpoint(openAi().retries(3).build())
                .endpoint(ollama("fallback", fallback).build()));

    assertThat(client.chat("x").attempts()).hasSize(2);
    assertThat(primary.requests()).hasSize(1);
  }

  @Test
  void thinkingThatOpenAiKeepsToItselfIsNamedAndBlamesNobody() {
    primary.respondWith(
        ServerReplies.events(
            ServerReplies.openAiEnd("length"),
            "{\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1024,"
                + "\"completion_tokens_details\":{\"reasoning_tokens\":1024}}}",
            "[DONE]"));
    LlmClient client = nodes.client(openAi());
    for (int i = 0; i < 4; i++) {
      assertThat(client.chat("x").attempts().get(0).failure()).contains(FailureKind.THINKING_ONLY);
    }
  }

  @Test
  void anAccountWithoutMoneyRequiresOperatorActionAndTheNextEndpointIsAsked() {
    primary.respondWith(
        OllamaReplies.status(
            429,
            "application/json",
            "{\"error\":{\"message\":\"You exceeded your quota\",\"type\":\"insufficient_quota\"}}"));
    LlmClient client = nodes.client(openAi());

    ChatResponse first = client.chat("x");
    assertThat(first.attempts().get(0).failure()).contains(FailureKind.QUOTA_EXCEEDED);
    assertThat(client.chat("x").attempts().get(0).failure()).contains(FailureKind.CIRCUIT_OPEN);
    assertThat(primary.requests()).hasSize(1);
  }

  @Test
  void aStreamGoesOverToAnotherKindOfServer() {
    primary.respondWith(
        (connection, request) -> {
          connection.send(
              ServerReplies.EVENTS_HEAD
                  + OllamaReplies.chunk("data: " + ServerReplies.openAiPiece("half") + "\n\n"));
          connection.reset();
        });
    try (ChatStream stream = nodes.client(openAi()).stream(request().build())) {
      ChatResponse response = stream.response();

      assertThat(response.text()).isEqualTo("FALLBACK");
      assertThat(response.attempts().get(0).failure()).contains(FailureKind.TRUNCATED);
    }
  }

  @Test
  void settingsThatAServerDoesNotKnowAreRejected() {
    Endpoint.Builder gemini = Endpoint.gemini("g").model("m");

    assertThatThrownBy(() -> gemini.keepAlive(Duration.ofSeconds(1)).build())
        .isInstanceOf(IllegalStateException.class)
        .hasMessage(
            "endpoint 'g' must not have a keepAlive or keepWarm: only Ollama's native API knows"
                + " them");
    assertThatThrownBy(() -> Endpoint.anthropic("a").model("m").dialect(Dialect.VLLM).build())
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("must not have a dialect");
    assertThatThrownBy(() -> openAi().option("max_tokens", 5))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("option max_tokens must not be set: use ChatRequest.maxTokens");
    assertThatThrownBy(
            () -> Endpoint.openAi("o", "http://x/v1/chat/completions").model("m").build())
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("must be the server's root");
    assertThatThrownBy(() -> openAi().requestsPerMinute(0))
        .isInstanceOf(IllegalArgumentException.class);
  }

  private static List<Endpoint.Builder> oneOfEachProtocol() {
    return List.of(
        Endpoint.ollama("o", "http://localhost:11434"),
        openAiAt("http://localhost:8080"),
        Endpoint.gemini("g"),
        Endpoint.anthropic("a"));
  }

  private static Endpoint.Builder openAiAt(String url) {
    return Endpoint.openAi("c", url);
  }

  @ParameterizedTest
  @CsvSource({
    "model, use Endpoint.model",
    "messages, use ChatRequest.message",
    "stream, every call is streamed",
    "think, use ChatRequest.thinking",
    "format, use ChatRequest.answerSchema",
    "response_format, use ChatRequest.answerSchema",
    "tools, use ChatRequest.tool"
  })
  void aFieldThatTheLibraryWritesIsNoOptionOfAnyProtocol(String option, String instead) {
    assertThat(oneOfEachProtocol())
        .allSatisfy(
            endpoint ->
                assertThatThrownBy(() -> endpoint.option(option, "x"))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("option " + option + " must not be set: " + instead));
  }

  @Test
  void aFieldOfOneProtocolIsItsOwnThere() {
    assertThatThrownBy(() -> Endpoint.ollama("o", "http://localhost").option("keep_alive", -1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("option keep_alive must not be set: use Endpoint.keepAlive");
    assertThatThrownBy(() -> Endpoint.anthropic("a").option("system", "Be kind."))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("option system must not be set: use ChatRequest.system");
    assertThatThrownBy(() -> Endpoint.gemini("g").option("maxOutputTokens", 5))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("option maxOutputTokens must not be set: use ChatRequest.maxTokens");
  }

  @Test
  void anOptionMayBeAMap() {
    nodes.client(openAi().option("extra", Map.of("depth", Map.of("n", 1)))).chat("x");

    assertThat(primary.requests().get(0).body()).contains("\"extra\":{\"depth\":{\"n\":1}}");
  }
}
