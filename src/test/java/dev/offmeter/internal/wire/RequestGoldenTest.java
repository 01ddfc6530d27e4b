// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatResponse.ToolCall;
import dev.offmeter.Dialect;
import dev.offmeter.Message;
import dev.offmeter.testing.ProtocolReplies;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import okhttp3.Request;
import okio.Buffer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The requests to each server but Ollama, word for word. */
class RequestGoldenTest {
  private static final ObjectMapper MAPPER = new ObjectMapper();
  private static final String SCHEMA = "{\"type\":\"object\"}";

  private static Request asked(Protocol protocol, ChatRequest request) {
    return protocol.request(request).build();
  }

  private static JsonNode json(Protocol protocol, ChatRequest request) throws IOException {
    Buffer buffer = new Buffer();
    asked(protocol, request).body().writeTo(buffer);
    return MAPPER.readTree(buffer.readByteArray());
  }

  private static void assertGolden(Protocol protocol, ChatRequest request, String golden)
      throws IOException {
    assertThat(json(protocol, request)).isEqualTo(MAPPER.readTree(golden));
  }

  private static Protocol openAi(Dialect dialect) {
    return ProtocolReplies.OPENAI.protocolFor("http://localhost:8080", "m", dialect, Map.of());
  }

  private static Protocol gemini(String model) {
    return ProtocolReplies.GEMINI.protocolFor(
        "http://localhost:1", model, Dialect.GENERIC, Map.of());
  }

  private static Protocol anthropic() {
    return ProtocolReplies.ANTHROPIC.protocolFor(
        "http://localhost:1", "m", Dialect.GENERIC, Map.of());
  }

  private static ChatRequest everything() {
    return ChatRequest.builder()
        .system("Be brief.")
        .user("One?")
        .assistant("Two.")
        .user("Three?")
        .maxTokens(100)
        .temperature(0.2)
        .topP(0.9)
        .seed(7)
        .stop("END")
        .tool("pay", "pays a bill", SCHEMA)
        .answerSchema(SCHEMA)
        .build();
  }

  private static ChatRequest afterToolCalls(String firstId, String secondId) {
    ToolCall first = new ToolCall(firstId, "pay", "{\"sum\":12.50}");
    ToolCall second = new ToolCall(secondId, "ask", "{}");
    ChatResponse called = ChatResponse.builder().text("").toolCalls(List.of(first, second)).build();
    return ChatRequest.builder()
        .user("Pay.")
        .message(Message.assistant(called))
        .message(Message.toolResult(first, "paid"))
        .message(Message.toolResult(second, ""))
        .build();
  }

  @Test
  void openAiIsAskedForEverything() throws IOException {
    assertGolden(
        openAi(Dialect.GENERIC),
        everything(),
        """
        {"model":"m","stream":true,"stream_options":{"include_usage":true},"max_tokens":100,
         "messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"One?"},
           {"role":"assistant","content":"Two."},{"role":"user","content":"Three?"}],
         "tools":[{"type":"function","function":{"name":"pay","description":"pays a bill",
           "parameters":{"type":"object"}}}],
         "temperature":0.2,"top_p":0.9,"seed":7,"stop":["END"],
         "response_format":{"type":"json_schema","json_schema":{"name":"answer","strict":true,
           "schema":{"type":"object"}}}}""");
  }

  @Test
  void whatIsNotSetIsNotSent() throws IOException {
    assertGolden(
        openAi(Dialect.GENERIC),
        ChatRequest.builder().user("hi").build(),
        """
        {"model":"m","stream":true,"stream_options":{"include_usage":true},"max_tokens":1024,
         "messages":[{"role":"user","content":"hi"}]}""");
    assertGolden(
        anthropic(),
        ChatRequest.builder().user("hi").build(),
        """
        {"model":"m","max_tokens":1024,"stream":true,
         "messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}]}""");
    assertGolden(
        gemini("gemini-2.0-flash"),
        ChatRequest.builder().user("hi").build(),
        """
        {"contents":[{"role":"user","parts":[{"text":"hi"}]}],
         "generationConfig":{"maxOutputTokens":1024}}""");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "GENERIC | max_tokens | ",
        "OPENAI | max_completion_tokens | ",
        "TGI | max_tokens | ",
        "LOCAL_AI | max_tokens | ",
        "LM_STUDIO | max_tokens | ",
        "LITELLM | max_tokens | ",
        "OLLAMA | max_tokens | {\"reasoning_effort\":\"none\"}",
        "GEMINI | max_tokens | {\"reasoning_effort\":\"none\"}",
        "VLLM | max_tokens | {\"chat_template_kwargs\":{\"enable_thinking\":false}}",
        "LLAMA_SERVER | max_tokens | {\"chat_template_kwargs\":{\"enable_thinking\":false}}"
      })
  void aDialectNamesTheLimitAndSwitchesThinkingOff(Dialect dialect, String limit, String off)
      throws IOException {
    ChatRequest.Builder request = ChatRequest.builder().user("hi");
    JsonNode asked = json(openAi(dialect), request.build());

    assertThat(asked.path(limit).asInt()).isEqualTo(1024);
    assertThat(asked.size()).isEqualTo(off == null ? 5 : 6);
    if (off != null) {
      String field = off.substring(2, off.indexOf('"', 2));
      assertThat(asked.get(field)).isEqualTo(MAPPER.readTree(off).get(field));
    }
    assertThat(json(openAi(dialect), request.thinking(true).build()).size()).isEqualTo(5);
    int formatted = json(openAi(dialect), request.answerSchema(SCHEMA).build()).size();
    assertThat(formatted).as("off again with a format").isEqualTo(off == null ? 6 : 7);
  }

  @Test
  void tgiHasAFormOfItsOwnForASchema() throws IOException {
    JsonNode format = json(openAi(Dialect.TGI), everything()).get("response_format");

    assertThat(format)
        .isEqualTo(MAPPER.readTree("{\"type\":\"json\",\"value\":{\"type\":\"object\"}}"));
  }

  @ParameterizedTest
  @CsvSource({"a, b, a, b", "'', '', call_1, call_2", "'', b, call_1, b"})
  void everyToolCallAndItsResultCarryTheSameName(
      String firstId, String secondId, String first, String second) throws IOException {
    JsonNode messages =
        json(openAi(Dialect.GENERIC), afterToolCalls(firstId, secondId)).get("messages");
    assertThat(messages.get(1).at("/tool_calls/0/id").asText()).isEqualTo(first);
    assertThat(messages.get(1).at("/tool_calls/0/function/arguments").asText())
        .isEqualTo("{\"sum\":12.50}");
    assertThat(messages.get(1).at("/tool_calls/1/id").asText()).isEqualTo(second);
    assertThat(messages.get(2))
        .isEqualTo(
            MAPPER.readTree(
                "{\"role\":\"tool\",\"content\":\"paid\",\"tool_call_id\":\"" + first + "\"}"));
    assertThat(messages.get(3).get("tool_call_id").asText()).isEqualTo(second);
  }

  @Test
  void anthropicGetsTheResultsOfToolsInOneTurn() throws IOException {
    assertThat(json(anthropic(), afterToolCalls("", "b")).get("messages"))
        .isEqualTo(
            MAPPER.readTree(
                """
                [{"role":"user","content":[{"type":"text","text":"Pay."}]},
                 {"role":"assistant","content":[
                   {"type":"tool_use","id":"call_1","name":"pay","input":{"sum":12.50}},
                   {"type":"tool_use","id":"b","name":"ask","input":{}}]},
                 {"role":"user","content":[
                   {"type":"tool_result","tool_use_id":"call_1","content":"paid"},
                   {"type":"tool_result","tool_use_id":"b","content":""}]}]"""));
  }

  @Test
  void geminiGetsTheResultsOfToolsInOneTurn() throws IOException {
    assertThat(json(gemini("gemini-2.5-flash"), afterToolCalls("", "")).get("contents"))
        .isEqualTo(
            MAPPER.readTree(
                """
                [{"role":"user","parts":[{"text":"Pay."}]},
                 {"role":"model","parts":[
                   {"functionCall":{"name":"pay","args":{"sum":12.50}}},
                   {"functionCall":{"name":"ask","args":{}}}]},
                 {"role":"user","parts":[
                   {"functionResponse":{"name":"pay","response":{"result":"paid"}}},
                   {"functionResponse":{"name":"ask","response":{"result":""}}}]}]"""));
    assertThat(json(gemini("gemini-3-pro"), afterToolCalls("", "")).at("/contents/1/parts/0"))
        .isEqualTo(
            MAPPER.readTree(
                """
                {"functionCall":{"name":"pay","args":{"sum":12.50}},
                 "thoughtSignature":"skip_thought_signature_validator"}"""));
  }

  @Test
  void anthropicIsAskedForEverythingButTheSeed() throws IOException {
    assertGolden(
        anthropic(),
        everything(),
        """
        {"model":"m","max_tokens":100,"stream":true,"system":"Be brief.",
         "messages":[{"role":"user","content":[{"type":"text","text":"One?"}]},
           {"role":"assistant","content":[{"type":"text","text":"Two."}]},
           {"role":"user","content":[{"type":"text","text":"Three?"}]}],
         "tools":[{"name":"pay","description":"pays a bill","input_schema":{"type":"object"}}],
         "temperature":0.2,"top_p":0.9,"stop_sequences":["END"],
         "output_config":{"format":{"type":"json_schema","schema":{"type":"object"}}}}""");
    assertThat(asked(anthropic(), everything()).header("anthropic-version"))
        .isEqualTo("2023-06-01");
  }

  @Test
  void geminiIsAskedForEverything() throws IOException {
    assertGolden(
        gemini("gemini-2.5-flash"),
        everything(),
        """
        {"systemInstruction":{"parts":[{"text":"Be brief."}]},
         "contents":[{"role":"user","parts":[{"text":"One?"}]},
           {"role":"model","parts":[{"text":"Two."}]},
           {"role":"user","parts":[{"text":"Three?"}]}],
         "tools":[{"functionDeclarations":[{"name":"pay","description":"pays a bill",
           "parametersJsonSchema":{"type":"object"}}]}],
         "generationConfig":{"maxOutputTokens":100,"temperature":0.2,"topP":0.9,"seed":7,
           "stopSequences":["END"],"responseMimeType":"application/json",
           "responseJsonSchema":{"type":"object"},"thinkingConfig":{"thinkingBudget":0}}}""");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "gemini-2.5-flash | {\"thinkingBudget\":0}",
        "gemini-2.5-flash-lite | {\"thinkingBudget\":0}",
        "models/gemini-2.5-pro | {\"thinkingBudget\":128}",
        "gemini-3-pro-preview | {\"thinkingLevel\":\"LOW\"}",
        "gemini-3.1-flash-lite | {\"thinkingLevel\":\"MINIMAL\"}",
        "gemini-2.0-flash | ",
        "gemini-99999999999-pro | ",
        "gemma-3-27b-it | "
      })
  void aGeminiModelThinksAsLittleAsItCan(String model, String config) throws IOException {
    JsonNode generation =
        json(gemini(model), ChatRequest.builder().user("hi").build()).get("generationConfig");

    assertThat(generation.get("thinkingConfig"))
        .isEqualTo(config == null ? null : MAPPER.readTree(config));
    ChatRequest thinking = ChatRequest.builder().user("hi").thinking(true).build();
    assertThat(json(gemini(model), thinking).at("/generationConfig/thinkingConfig/includeThoughts"))
        .isEqualTo(
            config == null ? MAPPER.missingNode() : MAPPER.getNodeFactory().booleanNode(true));
  }

  @ParameterizedTest
  @CsvSource({
    "OPENAI, http://h:8080, http://h:8080/v1/chat/completions",
    "OPENAI, http://h:8080/, http://h:8080/v1/chat/completions",
    "OPENAI, http://h:8080/v1, http://h:8080/v1/chat/completions",
    "OPENAI, http://h:8080/v1/, http://h:8080/v1/chat/completions",
    "OPENAI, https://h/llm, https://h/llm/v1/chat/completions",
    "OPENAI, https://h/llm/v1, https://h/llm/v1/chat/completions",
    "OPENAI, https://h/v1beta/openai, https://h/v1beta/openai/chat/completions",
    "OPENAI, https://h/v1beta/openai/, https://h/v1beta/openai/chat/completions",
    "OPENAI, https://h/api/v3, https://h/api/v3/chat/completions",
    "GEMINI, https://h, https://h/v1beta/models/m:streamGenerateContent?alt=sse",
    "GEMINI, https://h/v1, https://h/v1/models/m:streamGenerateContent?alt=sse",
    "GEMINI, https://h/p/v1beta/, https://h/p/v1beta/models/m:streamGenerateContent?alt=sse",
    "ANTHROPIC, https://h, https://h/v1/messages",
    "ANTHROPIC, https://h/v1/, https://h/v1/messages",
    "ANTHROPIC, https://h/p, https://h/p/v1/messages"
  })
  void aBaseUrlMayHaveItsVersionOrNot(ProtocolReplies spoken, String base, String url) {
    Protocol protocol = spoken.protocolFor(base, "m", Dialect.GENERIC, Map.of());
    Request request = asked(protocol, ChatRequest.builder().user("hi").build());

    assertThat(request.url()).hasToString(url);
    assertThat(request.method()).isEqualTo("POST");
    assertThat(request.header("Accept")).isEqualTo("application/json, text/event-stream");
  }

  @Test
  void noFieldIsSentTwiceAndTheRequestOutweighsTheEndpoint() throws IOException {
    Map<String, Object> options = Map.of("temperature", 0.7, "seed", 1, "topP", 0.1, "top_p", 0.1);
    ChatRequest request =
        ChatRequest.builder().user("hi").temperature(0.2).topP(0.9).seed(7).build();
    for (ProtocolReplies spoken : ProtocolReplies.values()) {
      Protocol protocol = spoken.protocolFor("http://h", "m", Dialect.GENERIC, options);
      Buffer buffer = new Buffer();
      asked(protocol, request).body().writeTo(buffer);
      String body = buffer.readUtf8();
      assertThat(body.split("\"temperature\"", -1)).as(body).hasSize(2);
      assertThat(body).contains("\"temperature\":0.2");
    }
  }

  @Test
  void noTwoToolCallsAreCalledTheSame() throws IOException {
    JsonNode messages = json(openAi(Dialect.GENERIC), afterToolCalls("", "call_1")).get("messages");

    assertThat(messages.get(1).at("/tool_calls/0/id").asText()).isEqualTo("call_2");
    assertThat(messages.get(2).get("tool_call_id").asText()).isEqualTo("call_2");
    assertThat(messages.get(3).get("tool_call_id").asText()).isEqualTo("call_1");
  }

  @Test
  void theOptionsOfAnEndpointAreSentAndOutweighWhatIsSentByItself() throws IOException {
    ChatRequest request = ChatRequest.builder().user("hi").build();
    Map<String, Object> kwargs = Map.of("chat_template_kwargs", Map.of("a", 1), "top_k", 40);
    JsonNode vllm =
        json(ProtocolReplies.OPENAI.protocolFor("http://h", "m", Dialect.VLLM, kwargs), request);
    assertThat(vllm.get("chat_template_kwargs")).isEqualTo(MAPPER.readTree("{\"a\":1}"));
    assertThat(vllm.get("top_k").asInt()).isEqualTo(40);
    Map<String, Object> budget = Map.of("thinkingConfig", Map.of("thinkingBudget", 512));
    JsonNode gemini =
        json(
            ProtocolReplies.GEMINI.protocolFor(
                "http://h", "gemini-2.5-flash", Dialect.GENERIC, budget),
            request);
    assertThat(gemini.at("/generationConfig/thinkingConfig"))
        .isEqualTo(MAPPER.readTree("{\"thinkingBudget\":512}"));
  }
}
