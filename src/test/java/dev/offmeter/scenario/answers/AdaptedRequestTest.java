// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.answers;

import static dev.offmeter.testing.TwoNodes.template;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import dev.offmeter.Attempt;
import dev.offmeter.ChatEvent;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.ClientInternals;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.StreamRecovery;
import dev.offmeter.Usage;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.observe.EndpointStatus;
import dev.offmeter.testing.Connection;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.ServerReplies;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.slf4j.LoggerFactory;

/** A healthy server that does not take a request as it is usually made. */
@Timeout(20)
class AdaptedRequestTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final ChatRequest REQUEST =
      ChatRequest.builder().user("a reminder").temperature(0.2).seed(7).build();

  /** Refuses each of the fields that a request has, one at a time. */
  private static Node.Script refusing(Node.Script answer, int status, String... fields) {
    return (connection, request) -> {
      for (String field : fields) {
        if (request.body().contains("\"" + field + "\"")) {
          refusal(status, field).answer(connection, request);
          return;
        }
      }
      answer.answer(connection, request);
    };
  }

  private static Node.Script refusal(int status, String field) {
    String body = "{\"error\":{\"message\":\"Unknown parameter: '" + field + "'.\"}}";
    return OllamaReplies.status(status, "application/json", body);
  }

  private static Node.Script only(String path, Node.Script answer) {
    Node.Script notFound =
        OllamaReplies.status(404, "application/json", "{\"detail\":\"Not Found\"}");
    return (connection, request) ->
        (request.line().equals("POST " + path + " HTTP/1.1") ? answer : notFound)
            .answer(connection, request);
  }

  private Endpoint.Builder openAi(Node node) {
    return Endpoint.openAi("primary", node.url()).model("m");
  }

  private LlmClient client(Endpoint.Builder primary) {
    return loopback.client(
        LlmClient.builder()
            .endpoint(primary.build())
            .endpoint(Endpoint.local("template", AdaptedRequestTest::answer).build()));
  }

  private static String answer(ChatRequest request) {
    return request.answerSchema().isPresent() ? "{}" : "TEMPLATE";
  }

  private static EndpointStatus status(LlmClient client) {
    return client.status().endpoints().get(0);
  }

  @ParameterizedTest
  @ValueSource(ints = {400, 422, 500})
  void aFieldThatAServerRefusesIsLeftOutFromThenOn(int status) {
    Node node = loopback.node(refusing(ServerReplies.openAi("PRIMARY"), status, "stream_options"));
    LlmClient client = client(openAi(node));

    ChatResponse first = client.chat(REQUEST);
    assertThat(first.text()).isEqualTo("PRIMARY");
    assertThat(first.attempts()).hasSize(1);
    assertThat(first.usage()).isEqualTo(Usage.NONE);
    assertThat(node.requests()).hasSize(2);

    assertThat(client.chat(REQUEST).text()).isEqualTo("PRIMARY");
    assertThat(node.requests()).hasSize(3);
    assertThat(status(client).state()).isEqualTo(EndpointState.UP);
  }

  @Test
  void theLogSaysSoOnceWithTheNameOfTheField() {
    Logger logger = (Logger) LoggerFactory.getLogger("dev.offmeter");
    ListAppender<ILoggingEvent> log = new ListAppender<>();
    log.start();
    logger.addAppender(log);
    logger.setLevel(Level.INFO);
    try {
      Node node = loopback.node(refusing(ServerReplies.openAi("PRIMARY"), 400, "stream_options"));
      LlmClient client = client(openAi(node));
      client.chat(REQUEST);
      client.chat(REQUEST);
    } finally {
      logger.detachAppender(log);
      logger.setLevel(null);
    }

    assertThat(log.list)
        .filteredOn(event -> event.getFormattedMessage().contains("stream_options"))
        .singleElement()
        .satisfies(
            event -> {
              assertThat(event.getLevel()).isEqualTo(Level.INFO);
              assertThat(event.getFormattedMessage())
                  .isEqualTo(
                      "endpoint primary is asked without the field stream_options from now on: its"
                          + " server refuses that field");
            });
  }

  static Stream<Arguments> everyProtocol() {
    return Stream.of(
        arguments(
            Named.<Function<Node, Endpoint.Builder>>of(
                "ollama", node -> Endpoint.ollama("primary", node.url())),
            OllamaReplies.answering("PRIMARY"),
            "truncate"),
        arguments(
            Named.<Function<Node, Endpoint.Builder>>of(
                "ollama", node -> Endpoint.ollama("primary", node.url())),
            OllamaReplies.answering("PRIMARY"),
            "shift"),
        arguments(
            Named.<Function<Node, Endpoint.Builder>>of(
                "ollama", node -> Endpoint.ollama("primary", node.url())),
            OllamaReplies.answering("PRIMARY"),
            "seed"),
        arguments(
            Named.<Function<Node, Endpoint.Builder>>of(
                "gemini", node -> Endpoint.gemini("primary", node.url())),
            ServerReplies.gemini("PRIMARY"),
            "temperature"),
        arguments(
            Named.<Function<Node, Endpoint.Builder>>of(
                "anthropic", node -> Endpoint.anthropic("primary", node.url())),
            ServerReplies.anthropic("PRIMARY"),
            "temperature"));
  }

  @ParameterizedTest
  @MethodSource("everyProtocol")
  void everyProtocolLeavesOutWhatIsRefused(
      Function<Node, Endpoint.Builder> endpoint, Node.Script answer, String field) {
    Node node = loopback.node(refusing(answer, 400, field));
    LlmClient client = client(endpoint.apply(node).model("m"));

    assertThat(client.chat(REQUEST).text()).isEqualTo("PRIMARY");
    assertThat(client.chat(REQUEST).text()).isEqualTo("PRIMARY");
    assertThat(node.requests()).hasSize(3);
  }

  @Test
  void severalFieldsAreLeftOutOneAfterTheOther() {
    Node node =
        loopback.node(
            refusing(ServerReplies.openAi("PRIMARY"), 400, "stream_options", "seed", "max_tokens"));

    LlmClient client = client(openAi(node));
    assertThat(client.chat(REQUEST).text()).isEqualTo("PRIMARY");
    assertThat(node.requests()).hasSize(4);
    assertThat(client.chat(REQUEST).text()).isEqualTo("PRIMARY");

    assertThat(node.requests()).hasSize(5);
    assertThat(node.requests().get(4).body())
        .doesNotContain("stream_options", "seed", "\"max_tokens\"")
        .contains("\"max_completion_tokens\":1024", "\"temperature\":0.2");
  }

  @Test
  void theLimitIsNeverLeftOutUnderBothItsNames() {
    Node node =
        loopback.node(
            refusing(ServerReplies.openAi("PRIMARY"), 400, "max_tokens", "max_completion_tokens"));

    ChatResponse response = client(openAi(node)).chat(REQUEST);

    assertThat(response.endpoint()).isEqualTo("template");
    assertThat(response.attempts().get(0).failure()).contains(FailureKind.BAD_REQUEST);
    assertThat(node.requests()).hasSize(2);
  }

  @ParameterizedTest
  @ValueSource(strings = {"RESTART", "FAIL", "HOLD"})
  void aStreamIsAskedForAgainToo(String name) {
    StreamRecovery recovery =
        switch (name) {
          case "FAIL" -> StreamRecovery.FAIL;
          case "HOLD" -> StreamRecovery.HOLD;
          default -> StreamRecovery.RESTART;
        };
    Node node = loopback.node(refusing(ServerReplies.openAi("PRIMARY"), 400, "stream_options"));
    LlmClient client = client(openAi(node));

    try (ChatStream stream =
        client.stream(ChatRequest.builder().user("a reminder").onBrokenStream(recovery).build())) {
      StringBuilder text = new StringBuilder();
      for (ChatEvent event : stream) {
        assertThat(event).isNotInstanceOf(ChatEvent.Restarted.class);
        if (event instanceof ChatEvent.TextDelta delta) {
          text.append(delta.text());
        }
      }
      assertThat(text).hasToString("PRIMARY");
      assertThat(stream.response().endpoint()).isEqualTo("primary");
    }
  }

  @Test
  void aRefusalWhereTheAnswerShouldBeIsOneToo() {
    Node.Script inBand =
        ServerReplies.events("{\"error\":{\"message\":\"unknown field 'stream_options'\"}}");
    Node.Script answer = ServerReplies.openAi("PRIMARY");
    Node node =
        loopback.node(
            (connection, request) ->
                (request.body().contains("stream_options") ? inBand : answer)
                    .answer(connection, request));
    LlmClient client = client(openAi(node));

    assertThat(client.chat(REQUEST).text()).isEqualTo("PRIMARY");
    assertThat(client.chat(REQUEST).text()).isEqualTo("PRIMARY");
    assertThat(node.requests()).hasSize(3);
  }

  @Test
  void theSecondRequestCountsAgainstTheRate() {
    Node node = loopback.node(refusing(ServerReplies.openAi("PRIMARY"), 400, "stream_options"));
    LlmClient client = client(openAi(node).requestsPerMinute(1));

    ChatResponse response = client.chat(REQUEST);

    assertThat(response.endpoint()).isEqualTo("template");
    assertThat(response.attempts().get(0).failure()).contains(FailureKind.CLIENT_RATE_LIMITED);
    assertThat(node.requests()).hasSize(1);
  }

  @Test
  void whatTheRateForbidsIsTriedWithTheNextRequest() {
    ManualTime time = loopback.manualTime();
    Node node =
        loopback.node(refusing(ServerReplies.openAi("PRIMARY"), 400, "stream_options", "seed"));
    LlmClient client =
        loopback.client(
            ClientInternals.builder(time)
                .endpoint(openAi(node).requestsPerMinute(1).build())
                .endpoint(template()));

    List<String> answers = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      answers.add(client.chat(REQUEST).endpoint());
      time.advance(Duration.ofSeconds(61));
    }

    assertThat(answers).containsExactly("template", "template", "primary", "primary");
    assertThat(node.requests()).hasSize(4);
  }

  @Test
  void whatDidNotHelpIsNotRemembered() {
    Node node = loopback.node(refusal(400, "stream_options"));
    LlmClient client = client(openAi(node));

    client.chat(REQUEST);
    node.respondWith(ServerReplies.openAi("PRIMARY"));
    client.chat(REQUEST);

    assertThat(node.requests()).hasSize(3);
    assertThat(node.requests().get(2).body()).contains("stream_options");
  }

  @Test
  void whatAnOptionFixesIsNotLeftOut() {
    Node node = loopback.node(refusing(ServerReplies.openAi("PRIMARY"), 400, "top_p"));

    ChatResponse response = client(openAi(node).option("top_p", 0.5)).chat(REQUEST);

    assertThat(response.endpoint()).isEqualTo("template");
    assertThat(node.requests()).hasSize(1);
  }

  @Test
  void theSchemaOfAnAnswerIsNotLeftOut() {
    Node node = loopback.node(refusing(ServerReplies.openAi("{}"), 400, "response_format"));
    ChatRequest wanted =
        ChatRequest.builder().user("x").answerSchema("{\"type\":\"object\"}").build();

    assertThat(client(openAi(node)).chat(wanted).attempts().get(0).failure())
        .contains(FailureKind.BAD_REQUEST);
    assertThat(node.requests()).hasSize(1);
  }

  @Test
  void thinkingIsLeftOutWhereAModelCannot() {
    Node.Script cannot =
        OllamaReplies.status(
            400, "application/json", "{\"error\":\"\\\"m\\\" does not support thinking\"}");
    Node.Script answer = OllamaReplies.answering("PRIMARY");
    Node node =
        loopback.node(
            (connection, request) ->
                (request.body().contains("\"think\":true") ? cannot : answer)
                    .answer(connection, request));
    ChatRequest thinking = ChatRequest.builder().user("x").thinking(true).build();

    assertThat(client(Endpoint.ollama("primary", node.url()).model("m")).chat(thinking).text())
        .isEqualTo("PRIMARY");
  }

  @ParameterizedTest
  @CsvSource({
    "stream_options,response_format,\"stream_options\",\"response_format\"",
    "max_tokens,seed,\"max_tokens\",\"seed\"",
    "temperature,max_completion_tokens,\"temperature\",\"max_completion_tokens\""
  })
  void aSettingLeavesFieldsOut(String one, String other, String first, String second) {
    Node node = loopback.node(ServerReplies.openAi("{}"));
    ChatRequest wanted =
        ChatRequest.builder().user("x").seed(1).temperature(0).answerSchema("{}").build();

    client(openAi(node).omit(one, other)).chat(wanted);

    assertThat(node.requests()).hasSize(1);
    assertThat(node.requests().get(0).body()).doesNotContain(first, second);
  }

  /** Without the field the conversation would be cut in silence. */
  @Test
  void aFullContextIsNoComplaintAboutTheFieldThatForbidsToCutIt() {
    String words =
        "{\"error\":\"the prompt exceeds the context window and context shift is not enabled\"}";
    Node node = loopback.node(OllamaReplies.status(400, "application/json", words));
    LlmClient client = client(Endpoint.ollama("primary", node.url()).model("m"));

    ChatResponse response = client.chat(REQUEST);

    assertThat(response.attempts().get(0).failure()).contains(FailureKind.CONTEXT_OVERFLOW);
    assertThat(node.requests()).hasSize(1);
  }

  @Test
  void everyProtocolHasFieldsThatItCanDoWithout() {
    assertThat(
            List.of(
                Endpoint.ollama("a", "http://localhost").omit("think", "truncate", "format"),
                Endpoint.gemini("b").omit("thinkingConfig", "topP", "responseJsonSchema"),
                Endpoint.anthropic("c").omit("temperature", "output_config")))
        .hasSize(3);
    assertThatThrownBy(() -> Endpoint.openAi("d", "http://localhost").omit("messages"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith("omit must be one of [stream_options, ")
        .hasMessageEndingWith(", was 'messages'");
    assertThatThrownBy(
            () ->
                Endpoint.openAi("f", "http://localhost")
                    .model("m")
                    .omit("seed")
                    .option("seed", 1)
                    .build())
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("endpoint 'f' must not omit seed, which is set by an option");
  }

  @Test
  void aServerWithoutAVersionIsFoundAndRemembered() {
    Node node = loopback.node(only("/chat/completions", ServerReplies.openAi("PRIMARY")));
    node.respondToProbesWith(OllamaReplies.status(200, "application/json", "{\"data\":[]}"));
    LlmClient client = client(openAi(node));

    ChatResponse first = client.chat(REQUEST);
    client.chat(REQUEST);

    assertThat(first.text()).isEqualTo("PRIMARY");
    assertThat(first.attempts()).hasSize(1);
    assertThat(node.requests())
        .extracting(Connection.Request::line)
        .containsExactly(
            "POST /v1/chat/completions HTTP/1.1",
            "POST /chat/completions HTTP/1.1",
            "POST /chat/completions HTTP/1.1");
    client.warmUp().join();
    assertThat(node.probes()).extracting(Connection.Request::line).contains("GET /models HTTP/1.1");
  }

  @Test
  void whereNothingIsFoundThePathThatWasMeantIsNamed() {
    Node node = loopback.node(only("/api/other", ServerReplies.openAi("PRIMARY")));

    Attempt attempt =
        client(Endpoint.openAi("primary", node.url() + "/llm").model("m"))
            .chat(REQUEST)
            .attempts()
            .get(0);

    assertThat(attempt.failure()).contains(FailureKind.PATH_NOT_FOUND);
    assertThat(attempt.message()).contains("/llm/v1/chat/completions");
    assertThat(node.requests()).hasSize(2);
  }

  @Test
  void aPageForEveryOtherPathIsNotTheServer() {
    Node.Script page = OllamaReplies.status(200, "text/html", "<html>welcome</html>");
    Node.Script notFound = OllamaReplies.status(404, "text/plain", "404 page not found");
    Node node =
        loopback.node(
            (connection, request) ->
                (request.line().contains("/v1/") ? notFound : page).answer(connection, request));
    LlmClient client = client(openAi(node));

    assertThat(client.chat(REQUEST).attempts().get(0).failure())
        .contains(FailureKind.PATH_NOT_FOUND);
  }

  @Test
  void aServerThatHasAnsweredHasTheRightPath() {
    Node node = loopback.node(ServerReplies.openAi("PRIMARY"));
    LlmClient client = client(openAi(node));
    client.chat(REQUEST);
    node.respondWith(OllamaReplies.status(404, "text/plain", "default backend - 404"));

    client.chat(REQUEST);

    assertThat(node.requests()).hasSize(2);
  }

  @Test
  void aMissingModelIsNoMissingPath() {
    Node node =
        loopback.node(
            OllamaReplies.status(
                404, "application/json", "{\"error\":{\"message\":\"model 'm' not found\"}}"));

    assertThat(client(openAi(node)).chat(REQUEST).attempts().get(0).failure())
        .contains(FailureKind.MODEL_NOT_FOUND);
    assertThat(node.requests()).hasSize(1);
  }

  @ParameterizedTest
  @CsvSource({
    "'', /chat/completions, /chat/completions",
    "'', chat/completions, /chat/completions",
    "/llm, /api/v3/chat/completions, /llm/api/v3/chat/completions",
    "/v1, /talk, /v1/talk"
  })
  void thePathCanBeSet(String base, String path, String asked) throws IOException {
    Node node = loopback.node(only(asked, ServerReplies.openAi("PRIMARY")));

    LlmClient client = client(Endpoint.openAi("primary", node.url() + base).model("m").path(path));

    assertThat(client.chat(REQUEST).text()).isEqualTo("PRIMARY");
    assertThat(node.requests()).hasSize(1);
  }

  @ParameterizedTest
  @ValueSource(strings = {" ", "/", "//", "/a?b", "/a#b", "/a b", "/../a", "a\\b"})
  void aPathThatIsNoneIsRejected(String path) {
    assertThatThrownBy(() -> Endpoint.openAi("a", "http://localhost").path(path))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith("path ");
  }

  @Test
  void aPathIsForCompatibleServersOnly() {
    assertThatThrownBy(() -> Endpoint.ollama("a", "http://localhost").model("m").path("/x").build())
        .isInstanceOf(IllegalStateException.class);
  }
}
