// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import static dev.offmeter.FailureKind.*;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.testing.ProtocolReplies;
import java.time.Duration;
import java.util.stream.Stream;
import okhttp3.Headers;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** The errors of each server, row by row: its status, its envelope, and what it means. */
class ServerErrorsTest {
  private static AttemptException refused(
      ProtocolReplies spoken, int status, String body, String... headers) {
    return spoken.protocol().refused(new ErrorResponse(status, Headers.of(headers), body));
  }

  private static Arguments row(String server, int status, String body, FailureKind kind) {
    ProtocolReplies spoken =
        server.startsWith("Gemini")
            ? ProtocolReplies.GEMINI
            : server.startsWith("Anthropic") ? ProtocolReplies.ANTHROPIC : ProtocolReplies.OPENAI;
    return arguments(server, spoken, status, body, kind);
  }

  private static String google(int code, String status, String message, String details) {
    return "{\"error\":{\"code\":"
        + code
        + ",\"message\":\""
        + message
        + "\",\"status\":\""
        + status
        + "\",\"details\":["
        + details
        + "]}}";
  }

  private static String anthropic(String type, String message) {
    return "{\"type\":\"error\",\"error\":{\"type\":\""
        + type
        + "\",\"message\":\""
        + message
        + "\"},\"request_id\":\"req_1\"}";
  }

  private static String openAi(String message, String type, String code) {
    return "{\"error\":{\"message\":\""
        + message
        + "\",\"type\":\""
        + type
        + "\",\"param\":null,\"code\":"
        + code
        + "}}";
  }

  static Stream<Arguments> rows() {
    String badKey =
        google(
            400,
            "INVALID_ARGUMENT",
            "API key not valid.",
            "{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\","
                + "\"reason\":\"API_KEY_INVALID\"}");
    return Stream.of(
        row("vLLM", 401, "{\"error\":\"Unauthorized\"}", UNAUTHORIZED),
        row(
            "vLLM",
            404,
            openAi("The model `x` does not exist.", "NotFoundError", "404"),
            MODEL_NOT_FOUND),
        row("vLLM", 400, openAi("1 validation error", "Bad Request", "400"), BAD_REQUEST),
        row(
            "vLLM",
            400,
            openAi("This model's maximum context length is 4096 tokens", "BadRequestError", "400"),
            CONTEXT_OVERFLOW),
        row(
            "vLLM",
            500,
            openAi("Internal server error", "InternalServerError", "500"),
            SERVER_ERROR),
        row("vLLM", 503, "", SERVER_ERROR),
        row(
            "llama-server",
            503,
            "{\"error\":{\"message\":\"Loading model\",\"type\":\"unavailable_error\","
                + "\"code\":503}}",
            SERVER_BUSY),
        row("llama-server", 503, "<html><body>loading</body></html>", SERVER_ERROR),
        row(
            "llama-server",
            401,
            "{\"error\":{\"message\":\"Invalid API Key\",\"type\":\"authentication_error\","
                + "\"code\":401}}",
            UNAUTHORIZED),
        row("llama-server", 500, "terminate called", SERVER_ERROR),
        row(
            "llama-server",
            501,
            openAi("This server does not support tools", "not_supported_error", "501"),
            BAD_REQUEST),
        row(
            "llama-server",
            404,
            "{\"error\":{\"message\":\"File Not Found\",\"type\":\"not_found_error\","
                + "\"code\":404}}",
            PATH_NOT_FOUND),
        row("TGI", 401, "", UNAUTHORIZED),
        row(
            "TGI",
            422,
            "{\"error\":\"Template error\",\"error_type\":\"template_error\"}",
            BAD_REQUEST),
        row(
            "TGI",
            422,
            "{\"error\":\"Input validation error: `inputs` must have less than 1024 tokens\","
                + "\"error_type\":\"validation\"}",
            CONTEXT_OVERFLOW),
        row(
            "TGI",
            424,
            "{\"error\":\"Request failed\",\"error_type\":\"generation\"}",
            SERVER_ERROR),
        row(
            "TGI",
            429,
            "{\"error\":\"Model is overloaded\",\"error_type\":\"overloaded\"}",
            SERVER_BUSY),
        row(
            "TGI",
            500,
            "{\"error\":\"Incomplete\",\"error_type\":\"incomplete_generation\"}",
            SERVER_ERROR),
        row("TGI", 503, "{\"error\":\"unhealthy\",\"error_type\":\"healthcheck\"}", SERVER_ERROR),
        row(
            "LocalAI",
            401,
            "{\"error\":{\"message\":\"no key\",\"code\":401,\"type\":\"\"}}",
            UNAUTHORIZED),
        row("LocalAI", 500, "", SERVER_ERROR),
        row(
            "LocalAI",
            503,
            "{\"error\":{\"code\":\"model_loading\",\"type\":\"model_loading\","
                + "\"message\":\"model is loading\"},\"loading\":{}}",
            SERVER_BUSY),
        row(
            "LM Studio",
            400,
            openAi("No models loaded. Please load a model.", "invalid_request_error", "null"),
            MODEL_NOT_FOUND),
        row("LM Studio", 400, "{\"error\":\"bad request\"}", BAD_REQUEST),
        row(
            "Ollama /v1",
            404,
            openAi("model 'x' not found", "not_found_error", "null"),
            MODEL_NOT_FOUND),
        row(
            "Ollama /v1",
            503,
            openAi("server busy, please try again", "api_error", "null"),
            SERVER_BUSY),
        row(
            "OpenAI",
            429,
            openAi("You exceeded your quota", "insufficient_quota", "\"insufficient_quota\""),
            QUOTA_EXCEEDED),
        row(
            "OpenAI",
            429,
            openAi("Rate limit reached", "requests", "\"rate_limit_exceeded\""),
            RATE_LIMITED),
        row(
            "OpenAI",
            400,
            openAi("too long", "invalid_request_error", "\"context_length_exceeded\""),
            CONTEXT_OVERFLOW),
        row("OpenAI", 400, openAi("filtered", "null", "\"content_filter\""), CONTENT_FILTERED),
        row(
            "OpenAI",
            404,
            openAi("The model `x` does not exist", "invalid_request_error", "\"model_not_found\""),
            MODEL_NOT_FOUND),
        row("OpenAI", 409, openAi("conflict", "x", "null"), BAD_REQUEST),
        row(
            "Gemini compatible",
            429,
            "[" + google(429, "RESOURCE_EXHAUSTED", "quota", "") + "]",
            RATE_LIMITED),
        row(
            "TGI",
            422,
            "{\"error\":\"Input validation error: `inputs` tokens + `max_new_tokens` must be <= 9\","
                + "\"error_type\":\"validation\"}",
            CONTEXT_OVERFLOW),
        row("Compatible Gemini", 400, "[" + badKey + "]", UNAUTHORIZED),
        row("Gemini", 400, badKey, UNAUTHORIZED),
        row("Gemini", 400, "[" + badKey + "]", UNAUTHORIZED),
        row(
            "Gemini",
            400,
            google(400, "FAILED_PRECONDITION", "region not supported", ""),
            UNAUTHORIZED),
        row("Gemini", 400, google(400, "INVALID_ARGUMENT", "wrong field", ""), BAD_REQUEST),
        row(
            "Gemini",
            400,
            google(
                400,
                "INVALID_ARGUMENT",
                "The input token count (2000000) exceeds the maximum number of tokens",
                ""),
            CONTEXT_OVERFLOW),
        row("Gemini", 403, google(403, "PERMISSION_DENIED", "denied", ""), UNAUTHORIZED),
        row("Gemini", 404, google(404, "NOT_FOUND", "models/x is not found", ""), MODEL_NOT_FOUND),
        row("Gemini", 429, google(429, "RESOURCE_EXHAUSTED", "quota", ""), RATE_LIMITED),
        row("Gemini", 500, google(500, "INTERNAL", "An internal error", ""), SERVER_ERROR),
        row("Gemini", 500, google(500, "INTERNAL", "input context too long", ""), CONTEXT_OVERFLOW),
        row("Gemini", 503, google(503, "UNAVAILABLE", "The model is overloaded.", ""), SERVER_BUSY),
        row(
            "Gemini",
            503,
            google(503, "UNAVAILABLE", "This model is in high demand.", ""),
            SERVER_BUSY),
        row("Gemini", 504, google(504, "DEADLINE_EXCEEDED", "too slow", ""), GATEWAY_TIMEOUT),
        row(
            "Anthropic",
            400,
            anthropic("invalid_request_error", "max_tokens: required"),
            BAD_REQUEST),
        row(
            "Anthropic",
            400,
            anthropic("invalid_request_error", "prompt is too long: 210000 tokens > 200000"),
            CONTEXT_OVERFLOW),
        row(
            "Anthropic",
            400,
            anthropic("invalid_request_error", "Your credit balance is too low"),
            QUOTA_EXCEEDED),
        row("Anthropic", 401, anthropic("authentication_error", "invalid x-api-key"), UNAUTHORIZED),
        row("Anthropic", 402, anthropic("billing_error", "payment"), QUOTA_EXCEEDED),
        row("Anthropic", 403, anthropic("permission_error", "no"), UNAUTHORIZED),
        row("Anthropic", 404, anthropic("not_found_error", "model: claude-x"), MODEL_NOT_FOUND),
        row("Anthropic", 413, "<html><title>413 Payload Too Large</title></html>", BAD_REQUEST),
        row("Anthropic", 429, anthropic("rate_limit_error", "slow down"), RATE_LIMITED),
        row("Anthropic", 500, anthropic("api_error", "oops"), SERVER_ERROR),
        row("Anthropic", 504, anthropic("timeout_error", "slow"), GATEWAY_TIMEOUT),
        row("Anthropic", 529, anthropic("overloaded_error", "Overloaded"), SERVER_BUSY));
  }

  @ParameterizedTest(name = "{0} {2} is {4}")
  @MethodSource("rows")
  void means(String server, ProtocolReplies spoken, int status, String body, FailureKind kind) {
    AttemptException failure = refused(spoken, status, body);

    assertThat(failure.kind()).as(failure.message()).isEqualTo(kind);
    assertThat(failure.status()).isEqualTo(status);
    assertThat(failure.message()).isNotBlank();
  }

  @Test
  void geminiSaysInItsDetailsHowLongToWait() {
    String retry =
        "{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":\"41.52s\"}";
    String daily =
        "{\"@type\":\"type.googleapis.com/google.rpc.QuotaFailure\",\"violations\":"
            + "[{\"quotaId\":\"GenerateRequestsPerDayPerProjectPerModel-FreeTier\"}]}";

    assertThat(quota(retry).retryAfter()).contains(Duration.ofMillis(41_520));
    assertThat(quota(daily + "," + retry).retryAfter()).contains(Duration.ofHours(1));
    assertThat(quota(retry + "," + daily).retryAfter()).contains(Duration.ofHours(1));
    assertThat(quota(retry.replace("41.52s", "soon")).retryAfter()).isEmpty();
    assertThat(quota("").retryAfter()).isEmpty();
  }

  private static AttemptException quota(String details) {
    return refused(
        ProtocolReplies.GEMINI, 429, google(429, "RESOURCE_EXHAUSTED", "quota", details));
  }

  @Test
  void localAiSaysInItsHeaderHowLongToWait() {
    AttemptException failure = refused(ProtocolReplies.OPENAI, 503, "", "Retry-After", "7");

    assertThat(failure.kind()).isEqualTo(SERVER_BUSY);
    assertThat(failure.retryAfter()).contains(Duration.ofSeconds(7));
  }

  @ParameterizedTest
  @CsvSource({"false, true", "FALSE, true", "true, false", "maybe, false"})
  void aServerMaySayThatARetryIsUseless(String header, boolean definite) {
    for (ProtocolReplies spoken : ProtocolReplies.values()) {
      AttemptException failure =
          refused(spoken, 500, "", "x-should-retry", header, "Retry-After", "3");

      assertThat(failure.isDefinite()).isEqualTo(definite);
      assertThat(failure.withMessage("x").withKind(SERVER_BUSY).isDefinite()).isEqualTo(definite);
      assertThat(failure.retryAfter()).contains(Duration.ofSeconds(3));
    }
    assertThat(refused(ProtocolReplies.OPENAI, 500, "").isDefinite()).isFalse();
  }

  static Stream<Arguments> inBand() {
    return Stream.of(
        arguments(
            ProtocolReplies.OPENAI,
            openAi("Internal server error", "InternalServerError", "500"),
            STREAM_ERROR),
        arguments(
            ProtocolReplies.OPENAI,
            openAi("maximum context length is 5", "BadRequestError", "400"),
            CONTEXT_OVERFLOW),
        arguments(
            ProtocolReplies.OPENAI, openAi("bad grammar", "BadRequestError", "400"), BAD_REQUEST),
        arguments(
            ProtocolReplies.OPENAI,
            openAi("no such model", "NotFoundError", "404"),
            MODEL_NOT_FOUND),
        arguments(
            ProtocolReplies.OPENAI,
            "{\"error\":{\"message\":\"Request failed\",\"http_status_code\":422}}",
            STREAM_ERROR),
        arguments(
            ProtocolReplies.OPENAI,
            openAi("oops", "server_error", "\"server_error\""),
            STREAM_ERROR),
        arguments(
            ProtocolReplies.OPENAI,
            openAi("slow down", "x", "\"rate_limit_exceeded\""),
            RATE_LIMITED),
        arguments(
            ProtocolReplies.OPENAI, openAi("no key", "authentication_error", "401"), UNAUTHORIZED),
        arguments(
            ProtocolReplies.OPENAI,
            "{\"error\":\"Model is overloaded\",\"error_type\":\"overloaded\"}",
            SERVER_BUSY),
        arguments(
            ProtocolReplies.OPENAI,
            "{\"error\":\"Unexpected endpoint or method. (POST /x). Returning 200 anyway\"}",
            PATH_NOT_FOUND),
        arguments(
            ProtocolReplies.GEMINI, google(429, "RESOURCE_EXHAUSTED", "quota", ""), RATE_LIMITED),
        arguments(ProtocolReplies.GEMINI, google(503, "UNAVAILABLE", "busy", ""), SERVER_BUSY),
        arguments(
            ProtocolReplies.GEMINI, "[" + google(500, "INTERNAL", "oops", "") + "]", STREAM_ERROR),
        arguments(
            ProtocolReplies.ANTHROPIC, anthropic("overloaded_error", "Overloaded"), SERVER_BUSY),
        arguments(ProtocolReplies.ANTHROPIC, anthropic("rate_limit_error", "slow"), RATE_LIMITED),
        arguments(ProtocolReplies.ANTHROPIC, anthropic("api_error", "oops"), STREAM_ERROR));
  }

  @ParameterizedTest
  @MethodSource("inBand")
  void meansTheSameAfterHttp200(ProtocolReplies spoken, String error, FailureKind kind) {
    String event = "data: " + error + "\n\n";
    for (String reply :
        new String[] {event, event + "data: [DONE]\n\n", error, spoken.textDelta("Par") + error}) {
      new RecordingDeltaHandler()
          .listen(spoken.protocol(), ScriptedBody.of(reply))
          .expectFailure(kind);
    }
    if (!error.startsWith("[")) {
      new RecordingDeltaHandler()
          .listen(spoken.protocol(), ScriptedBody.of(spoken.textDelta("Par") + event))
          .expectFailure(kind);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "loading, SERVER_BUSY, Loading model",
    "too-long, CONTEXT_OVERFLOW, exceeds the available context size",
    "too-long-stream, CONTEXT_OVERFLOW, exceeds the available context size",
    "key-wrong, UNAUTHORIZED, Invalid API Key",
    "unknown-path, PATH_NOT_FOUND, File Not Found",
    "no-role, BAD_REQUEST, Missing 'role'",
    "not-supported, BAD_REQUEST, support"
  })
  void meansWhatARealLlamaServerSaid(String name, FailureKind kind, String words) {
    AttemptException failure =
        ProtocolReplies.OPENAI.protocol().refused(RecordedReply.read("llama-server", name).reply());

    assertThat(failure.kind()).isEqualTo(kind);
    assertThat(failure.message()).contains(words);
  }
}
