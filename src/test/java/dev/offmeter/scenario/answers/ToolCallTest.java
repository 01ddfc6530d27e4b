// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.answers;

import static dev.offmeter.testing.Loopback.ollama;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.offmeter.Attempt;
import dev.offmeter.ChatEvent;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatResponse.ToolCall;
import dev.offmeter.ChatStream;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.FinishReason;
import dev.offmeter.LlmClient;
import dev.offmeter.LlmException;
import dev.offmeter.Message;
import dev.offmeter.Role;
import dev.offmeter.StreamRecovery;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.ServerReplies;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Tools are offered, and their calls come back; the library runs none. */
@Timeout(20)
class ToolCallTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final String SCHEMA =
      "{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"}}}";
  private static final ChatRequest REQUEST =
      ChatRequest.builder()
          .user("How warm is it in Oslo?")
          .tool("get_weather", "the weather of a city", SCHEMA)
          .build();
  private static final String CALL =
      "{\"id\":\"call_1\",\"function\":{\"index\":0,\"name\":\"get_weather\","
          + "\"arguments\":{\"city\":\"Oslo\"}}}";
  private static final ToolCall OSLO = new ToolCall("call_1", "get_weather", "{\"city\":\"Oslo\"}");

  private Node node;
  private LlmClient client;

  @BeforeEach
  void start() {
    node = loopback.node(calling(CALL));
    Node fallback = loopback.node(OllamaReplies.answering("FALLBACK"));
    client =
        loopback.client(
            LlmClient.builder()
                .endpoint(ollama("node", node).build())
                .endpoint(ollama("fallback", fallback).build()));
  }

  /** Sends tool calls as a real Ollama does: in one line, then the end with the reason "stop". */
  private static Node.Script calling(String... calls) {
    String line =
        "{\"model\":\"served\",\"message\":{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":["
            + String.join(",", calls)
            + "]},\"done\":false}\n";
    return (connection, request) ->
        connection.send(
            OllamaReplies.STREAM_HEAD
                + OllamaReplies.chunk(line)
                + OllamaReplies.end("stop", 5)
                + OllamaReplies.LAST_CHUNK);
  }

  private JsonNode sent() throws Exception {
    List<dev.offmeter.testing.Connection.Request> requests = node.requests();
    return new ObjectMapper().readTree(requests.get(requests.size() - 1).body());
  }

  @Test
  void aCallIsAGoodAnswerWithoutAnyText() {
    ChatResponse response = client.chat(REQUEST);

    assertThat(response.endpoint()).isEqualTo("node");
    assertThat(response.text()).isEmpty();
    assertThat(response.toolCalls()).containsExactly(OSLO);
    assertThat(response.finishReason()).isEqualTo(FinishReason.TOOL_CALLS);
  }

  @Test
  void severalCallsComeInTheirOrder() {
    node.respondWith(
        calling(CALL, CALL.replace("Oslo", "Bergen").replace("\"id\":\"call_1\",", "")));

    assertThat(client.chat(REQUEST).toolCalls())
        .containsExactly(OSLO, new ToolCall("", "get_weather", "{\"city\":\"Bergen\"}"));
  }

  @Test
  void aStreamEndsWithTheCalls() {
    try (ChatStream stream = client.stream(REQUEST)) {
      List<ChatEvent> events = new ArrayList<>();
      stream.forEach(events::add);
      assertThat(events)
          .singleElement()
          .isInstanceOfSatisfying(
              ChatEvent.Completed.class,
              last -> assertThat(last.response().toolCalls()).containsExactly(OSLO));
    }
  }

  @Test
  void theToolsAreSentAsOllamaWantsThem() throws Exception {
    client.chat(REQUEST);

    JsonNode function = sent().at("/tools/0/function");
    assertThat(sent().at("/tools/0/type").asText()).isEqualTo("function");
    assertThat(function.path("name").asText()).isEqualTo("get_weather");
    assertThat(function.path("description").asText()).isEqualTo("the weather of a city");
    assertThat(function.path("parameters")).hasToString(SCHEMA);
  }

  @Test
  void aResultGoesBackWithTheCallItBelongsTo() throws Exception {
    ChatResponse call = client.chat(REQUEST);
    node.respondWith(OllamaReplies.answering("11 degrees"));
    ChatRequest next =
        REQUEST.toBuilder()
            .message(Message.assistant(call))
            .message(Message.toolResult(call.toolCalls().get(0), "11 C"))
            .build();

    assertThat(client.chat(next).text()).isEqualTo("11 degrees");

    JsonNode asked = sent().at("/messages/1");
    assertThat(asked.path("role").asText()).isEqualTo("assistant");
    assertThat(asked.at("/tool_calls/0/function/arguments").path("city").asText())
        .as("an object, not a string")
        .isEqualTo("Oslo");
    JsonNode result = sent().at("/messages/2");
    assertThat(result.path("role").asText()).isEqualTo("tool");
    assertThat(result.path("tool_name").asText()).isEqualTo("get_weather");
    assertThat(result.path("tool_call_id").asText()).isEqualTo("call_1");
    assertThat(result.path("content").asText()).isEqualTo("11 C");
  }

  @Test
  void withoutToolsNothingIsSentOfThemAndACallMeansNothing() throws Exception {
    ChatRequest plain = ChatRequest.builder().user("hello").build();

    Attempt attempt = client.chat(plain).attempts().get(0);
    assertThat(attempt.failure()).contains(FailureKind.MODEL_STOPPED);
    assertThat(attempt.message()).endsWith("with a call of a tool, though none was offered");
    assertThat(sent().has("tools")).isFalse();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"function\":{\"name\":\"get_weather\",\"arguments\":\"{\"}}",
        "{\"function\":{\"name\":\"get_weather\",\"arguments\":[]}}",
        "{\"function\":{\"arguments\":{}}}",
        "{\"function\":{\"name\":7,\"arguments\":{}}}",
        "{}",
        "7"
      })
  void aMalformedCallIsTheModelsFault(String call) {
    node.respondWith(calling(call));

    ChatResponse response = client.chat(REQUEST);

    assertThat(response.endpoint()).isEqualTo("fallback");
    assertThat(response.attempts().get(0).failure()).contains(FailureKind.MODEL_STOPPED);
  }

  @Test
  void callsThatAreNoListAreNotLostInSilence() {
    String line =
        "{\"message\":{\"role\":\"assistant\",\"content\":\"I will look.\","
            + "\"tool_calls\":\"[]\"},\"done\":false}\n";
    node.respondWith(
        (connection, request) ->
            connection.send(
                OllamaReplies.STREAM_HEAD
                    + OllamaReplies.chunk(line)
                    + OllamaReplies.end("stop", 3)
                    + OllamaReplies.LAST_CHUNK));

    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("fallback");
  }

  @Test
  void numbersOfArgumentsAreAsTheModelWroteThem() {
    node.respondWith(
        calling(
            "{\"function\":{\"name\":\"get_weather\",\"arguments\":"
                + "{\"a\":12345678901234567.890,\"b\":7}}}"));

    assertThat(client.chat(REQUEST).toolCalls().get(0).arguments())
        .isEqualTo("{\"a\":12345678901234567.890,\"b\":7}");
  }

  private static ChatRequest fromElsewhere(String... ids) {
    List<ToolCall> calls = new ArrayList<>();
    for (String id : ids) {
      calls.add(new ToolCall(id, "get_weather", "{\"city\":\"city " + calls.size() + "\"}"));
    }
    ChatRequest.Builder request =
        REQUEST.toBuilder().message(Message.assistant("I will look.", calls));
    for (String id : ids) {
      request.message(Message.toolResult(id, "get_weather", "11 C"));
    }
    return request.build();
  }

  private JsonNode sentTo(Function<String, Endpoint.Builder> server, Node.Script answer)
      throws Exception {
    node.respondWith(answer);
    LlmClient other =
        loopback.client(LlmClient.builder().endpoint(server.apply(node.url()).model("m").build()));
    other.chat(fromElsewhere("call_a", "call_b"));
    return sent();
  }

  @Test
  void historyFromElsewhereGoesToEveryServerInItsOwnForm() throws Exception {
    JsonNode openAi = sentTo(url -> Endpoint.openAi("o", url), ServerReplies.openAi("11"));
    assertThat(openAi.at("/messages/1/content").asText()).isEqualTo("I will look.");
    assertThat(openAi.at("/messages/1/tool_calls/1/id").asText()).isEqualTo("call_b");
    assertThat(openAi.at("/messages/3/tool_call_id").asText()).isEqualTo("call_b");

    JsonNode ollama = sentTo(url -> Endpoint.ollama("o", url), OllamaReplies.answering("11"));
    assertThat(ollama.at("/messages/1/tool_calls/0/id").asText()).isEqualTo("call_a");
    assertThat(ollama.at("/messages/2/tool_name").asText()).isEqualTo("get_weather");
    assertThat(ollama.at("/messages/2/content").asText()).isEqualTo("11 C");

    JsonNode gemini = sentTo(url -> Endpoint.gemini("g", url), ServerReplies.gemini("11"));
    assertThat(gemini.at("/contents/2/parts/1/functionResponse/name").asText())
        .isEqualTo("get_weather");

    JsonNode anthropic = sentTo(url -> Endpoint.anthropic("a", url), ServerReplies.anthropic("11"));
    assertThat(anthropic.at("/messages/2/content/0/tool_use_id").asText()).isEqualTo("call_a");
  }

  @Test
  void resultsWithoutAnIdBelongToTheCallsOfTheirToolInOrder() throws Exception {
    node.respondWith(ServerReplies.openAi("11"));
    LlmClient other =
        loopback.client(
            LlmClient.builder().endpoint(Endpoint.openAi("o", node.url()).model("m").build()));
    List<ToolCall> calls =
        List.of(
            new ToolCall("call_a", "get_time", "{\"zone\":\"UTC\"}"),
            new ToolCall("call_b", "get_weather", "{\"city\":\"Oslo\"}"),
            new ToolCall("", "get_weather", "{\"city\":\"Bergen\"}"));
    other.chat(
        REQUEST.toBuilder()
            .message(Message.assistant("", calls))
            .message(Message.toolResult("call_b", "get_weather", "11 C"))
            .message(Message.toolResult("", "get_weather", "9 C"))
            .message(Message.toolResult("", "get_time", "09:00"))
            .build());

    String made = sent().at("/messages/1/tool_calls/2/id").asText();
    assertThat(made).isNotEmpty();
    assertThat(sent().at("/messages/3/tool_call_id").asText()).isEqualTo(made);
    assertThat(sent().at("/messages/4/tool_call_id").asText()).isEqualTo("call_a");
  }

  @Test
  void aMessageOfAModelSaysSomethingOrCallsATool() {
    assertThatThrownBy(() -> Message.assistant(" ", List.of()))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("message content must not be blank, role ASSISTANT");
    assertThatThrownBy(() -> Message.toolResult("call_1", " ", "11 C"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("tool name must not be blank, was ' '");
    assertThat(Message.assistant("Hello.", List.of()).toolCalls()).isEmpty();
  }

  private static ChatRequest.Builder withResult() {
    return ChatRequest.builder().user("q").message(Message.toolResult(OSLO, "11 C"));
  }

  @Test
  void withAToolsResultAStreamStartsAgainOnlyIfItsCallerAllowsIt() {
    node.respondWith(
        (connection, request) -> {
          connection.send(OllamaReplies.STREAM_HEAD + OllamaReplies.tokens("It", " is"));
          connection.close();
        });

    try (ChatStream stream = client.stream(withResult().build())) {
      assertThatThrownBy(() -> stream.forEach(event -> {}))
          .isInstanceOfSatisfying(
              LlmException.class, e -> assertThat(e.partialText()).isEqualTo("It is"));
    }
    ChatRequest allowed = withResult().onBrokenStream(StreamRecovery.RESTART).build();
    try (ChatStream stream = client.stream(allowed)) {
      assertThat(stream.response().text()).isEqualTo("FALLBACK");
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "'';{};tool name must be 1 to 64 letters, digits, _ or -, was ''",
        "get weather;{};tool name must be 1 to 64 letters, digits, _ or -, was 'get weather'",
        "get_weather;[];schema of tool get_weather must be a JSON object",
        "get_weather;{;schema of tool get_weather must be a JSON object",
        "get_weather;{}{};schema of tool get_weather must be a JSON object",
        "get_weather;{}},\"stream\":{;schema of tool get_weather must be a JSON object"
      })
  void aToolThatNoServerWouldTakeIsRejected(String name, String schema, String message) {
    assertThatThrownBy(() -> ChatRequest.builder().tool(name, "what it does", schema))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(message);
  }

  @Test
  void twoToolsOfOneNameAreRejected() {
    assertThatThrownBy(() -> REQUEST.toBuilder().tool("get_weather", "", "{}").build())
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("two tools must not have one name");
  }

  @Test
  void aToolsMessageNeedsItsCall() {
    assertThatThrownBy(() -> Message.of(Role.TOOL, "11 C"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("role must not be TOOL here: use toolResult(...)");
    assertThatThrownBy(() -> new ToolCall("", "get_weather", "Oslo"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("arguments of a tool call must be a JSON object");
  }

  @Test
  void noToStringShowsTheArguments() {
    ChatResponse response = client.chat(REQUEST);

    assertThat(OSLO.toString() + response + Message.assistant(response) + REQUEST)
        .doesNotContain("Oslo")
        .doesNotContain("call_1");
  }
}
