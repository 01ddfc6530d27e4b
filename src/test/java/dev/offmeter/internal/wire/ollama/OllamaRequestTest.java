// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire.ollama;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.offmeter.ChatRequest;
import dev.offmeter.internal.wire.RecordingDeltaHandler;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import okhttp3.HttpUrl;
import okhttp3.Request;
import okhttp3.RequestBody;
import okio.Buffer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The requests to {@code POST /api/chat}. */
class OllamaRequestTest {
  private static final ObjectMapper MAPPER = new ObjectMapper();

  private static OllamaChat protocol(Map<String, Object> options, Duration keepAlive) {
    HttpUrl url = HttpUrl.get("http://localhost:11434");
    return new OllamaChat(
        RecordingDeltaHandler.server(url, "qwen3:8b", options, keepAlive, 1 << 20, 1 << 20));
  }

  private static ChatRequest.Builder hello() {
    return ChatRequest.builder().user("hello");
  }

  private static Request asked(OllamaChat protocol, ChatRequest.Builder request) {
    return protocol.request(request.build()).build();
  }

  private static JsonNode json(OllamaChat protocol, ChatRequest.Builder request)
      throws IOException {
    return MAPPER.readTree(bytes(asked(protocol, request).body()));
  }

  private static JsonNode options(Map<String, Object> own, ChatRequest.Builder request)
      throws IOException {
    return json(protocol(own, null), request).get("options");
  }

  private static byte[] bytes(RequestBody body) throws IOException {
    Buffer buffer = new Buffer();
    body.writeTo(buffer);
    return buffer.readByteArray();
  }

  @Test
  void spellsOutEverythingThatIsSet() throws IOException {
    ChatRequest.Builder request =
        ChatRequest.builder()
            .system("Be brief.")
            .user("1 + 1?")
            .assistant("2")
            .user("And 2 + 2?")
            .maxTokens(64)
            .temperature(0.25)
            .topP(0.5)
            .seed(-7)
            .stop("END", "\n\n")
            .thinking(true)
            .deadline(Duration.ofSeconds(9))
            .tag("invoice", "1042");

    JsonNode json = json(protocol(Map.of("num_ctx", 8192), Duration.ofMinutes(10)), request);

    assertThat(json)
        .isEqualTo(
            MAPPER.readTree(
                """
                {"model":"qwen3:8b","stream":true,"think":true,"truncate":false,"shift":false,
                 "keep_alive":600,
                 "messages":[
                   {"role":"system","content":"Be brief."},{"role":"user","content":"1 + 1?"},
                   {"role":"assistant","content":"2"},{"role":"user","content":"And 2 + 2?"}],
                 "options":{"num_ctx":8192,"num_predict":64,"seed":-7,"stop":["END","\\n\\n"],
                   "temperature":0.25,"top_p":0.5}}
                """));
  }

  @Test
  void leavesOutWhatIsNotSet() throws IOException {
    assertThat(json(protocol(Map.of(), null), hello()))
        .isEqualTo(
            MAPPER.readTree(
                """
                {"model":"qwen3:8b","stream":true,"think":false,"truncate":false,"shift":false,
                 "messages":[{"role":"user","content":"hello"}],"options":{"num_predict":1024}}
                """));
  }

  @Test
  void theRequestOverridesTheEndpointsOptions() throws IOException {
    Map<String, Object> own =
        Map.of("temperature", 0.9, "top_p", 0.9, "seed", 1, "stop", List.of("a"), "top_k", 40);

    assertThat(options(own, hello().temperature(0).topP(1).seed(2).stop("b")))
        .isEqualTo(
            MAPPER.readTree(
                """
                {"num_predict":1024,"temperature":0.0,"top_p":1.0,"seed":2,"stop":["b"],"top_k":40}
                """));
  }

  @Test
  void theEndpointsOptionsStandWhereTheRequestIsSilent() throws IOException {
    Map<String, Object> own =
        Map.of(
            "temperature", 0.9, "top_p", 0.8, "seed", 1, "stop", List.of("a"), "use_mmap", false);

    assertThat(options(own, hello().stop()))
        .isEqualTo(
            MAPPER.readTree(
                """
                {"num_predict":1024,"temperature":0.9,"top_p":0.8,"seed":1,"stop":["a"],
                 "use_mmap":false}
                """));
  }

  @Test
  void sendsNoEmptyListOfStops() throws IOException {
    assertThat(options(Map.of(), hello().stop()).has("stop")).isFalse();
    assertThat(options(Map.of(), hello().stop("x")).has("stop")).isTrue();
  }

  @ParameterizedTest
  @CsvSource({
    "PT0S, 0",
    "PT5M, 300",
    "PT90.9S, 90",
    "-PT1S, -1",
    "-PT0.001S, -1",
    "-PT48H, -1",
    "PT24H, 86400"
  })
  void sendsKeepAliveInSeconds(Duration keepAlive, int seconds) throws IOException {
    JsonNode sent = json(protocol(Map.of(), keepAlive), hello()).get("keep_alive");

    assertThat(sent.isInt()).isTrue();
    assertThat(sent.intValue()).isEqualTo(seconds);
  }

  @Test
  void rolesAreTheSameInEveryLocale() throws IOException {
    Locale before = Locale.getDefault();
    Locale.setDefault(Locale.forLanguageTag("tr"));
    try {
      JsonNode json =
          json(
              protocol(Map.of(), null),
              ChatRequest.builder().system("s").user("u").assistant("a").user("u"));

      assertThat(json.get("messages").findValuesAsText("role"))
          .containsExactly("system", "user", "assistant", "user");
    } finally {
      Locale.setDefault(before);
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "\"quoted\" \\ and </script>",
        "tab\tline\nreturn\rnul\0bell\7",
        "Grüße, 日本語, \u2028, 🚲👩‍🚀",
        "{\"error\":\"not one\"}"
      })
  void anyTextArrivesAsItWas(String text) throws IOException {
    JsonNode json = json(protocol(Map.of(), null), ChatRequest.builder().user(text));

    assertThat(json.at("/messages/0/content").textValue()).isEqualTo(text);
  }

  /** A text cut to a length often ends in the middle of an emoji. */
  @ParameterizedTest
  @ValueSource(strings = {"cut \ud83d", "\ude00 cut", "a\ud83d b", "\ud83d\ud83d\ude00"})
  void halfACharacterDoesNotKeepTheRestFromBeingAsked(String text) throws IOException {
    JsonNode json = json(protocol(Map.of(), null), ChatRequest.builder().user(text));

    assertThat(json.at("/messages/0/content").textValue())
        .isEqualTo(text.replaceAll("\ud83d(?!\ude00)|(?<!\ud83d)\ude00", "\ufffd"));
  }

  @ParameterizedTest
  @CsvSource({
    "http://localhost:11434, http://localhost:11434/api/chat",
    "http://localhost:11434/, http://localhost:11434/api/chat",
    "https://example.test/llm, https://example.test/llm/api/chat",
    "https://example.test/llm/, https://example.test/llm/api/chat",
    "https://example.test/a/b%2Fc/, https://example.test/a/b%2Fc/api/chat",
    "http://[::1]:11434, http://[::1]:11434/api/chat"
  })
  void keepsThePathPrefix(String base, String url) {
    OllamaChat protocol =
        new OllamaChat(
            RecordingDeltaHandler.server(HttpUrl.get(base), "m", Map.of(), null, 1024, 1024));

    Request request = asked(protocol, hello());

    assertThat(request.url()).hasToString(url);
    assertThat(request.method()).isEqualTo("POST");
    assertThat(request.header("Accept")).contains("application/json", "application/x-ndjson");
  }

  @Test
  void theBodyIsWrittenOnceAndTellsItsLength() throws IOException {
    RequestBody body =
        asked(protocol(Map.of(), null), ChatRequest.builder().user("Grüße 🚲")).body();

    assertThat(body.isOneShot()).isTrue();
    assertThat(body.isDuplex()).isFalse();
    assertThat(body.contentType()).hasToString("application/json");
    long length = body.contentLength();
    assertThat(bytes(body)).hasSize((int) length);
    assertThat(body.contentLength()).isEqualTo(length);
  }

  @Test
  void oneProtocolServesManyRequests() throws IOException {
    OllamaChat protocol = protocol(Map.of("num_ctx", 4096), null);
    JsonNode first = json(protocol, hello().temperature(1).stop("x"));
    JsonNode second = json(protocol, hello());

    assertThat(first.get("options").has("stop")).isTrue();
    assertThat(second.get("options").has("stop")).isFalse();
    assertThat(second.get("options").has("temperature")).isFalse();
  }
}
