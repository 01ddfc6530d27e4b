// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import static dev.offmeter.FailureKind.*;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.testing.ProtocolReplies;
import java.time.Duration;
import okhttp3.Headers;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvFileSource;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The words of servers, and whose fault they make an error, wherever it stands. */
class ErrorClassifierTest {
  private static FailureKind inBand(String message) {
    return InBandError.ofText(message).kind();
  }

  private static FailureKind refused(int status, String message) {
    return HttpErrorClassifier.of(new ErrorResponse(status, Headers.EMPTY, error(message))).kind();
  }

  private static String error(String message) {
    ObjectNode node = JsonNodeFactory.instance.objectNode();
    node.putObject("error").put("message", message);
    return node.toString();
  }

  /** Each is judged alike with any status that leaves room for it, and in an answer. */
  @ParameterizedTest
  @CsvFileSource(resources = "/wire/server-words.csv", delimiter = '|', quoteCharacter = '\u0001')
  void oneMessageMeansTheSameEverywhere(FailureKind kind, String message) {
    for (int status : new int[] {400, 404, 405, 409, 413, 422, 429, 500, 501, 503, 504, 520, 529}) {
      assertThat(refused(status, message)).as(status + ": " + message).isEqualTo(kind);
    }
    assertThat(inBand(message)).as("in band: " + message).isEqualTo(kind);
    for (ProtocolReplies spoken : ProtocolReplies.values()) {
      String line = error(message);
      String event =
          spoken == ProtocolReplies.OLLAMA ? line + "\n" : "event: error\ndata: " + line + "\n\n";
      new RecordingDeltaHandler()
          .listen(spoken.protocol(), ScriptedBody.of(event))
          .expectFailure(kind);
      new RecordingDeltaHandler()
          .listen(spoken.protocol(), ScriptedBody.of(spoken.textDelta("Par") + event))
          .expectFailure(kind);
    }
  }

  /** Words that sound like a request's fault, and are a machine's. */
  @ParameterizedTest
  @CsvFileSource(resources = "/wire/server-faults.csv", delimiter = '|', quoteCharacter = '\u0001')
  void aMachinesFaultStaysTheServers(String message) {
    assertThat(refused(500, message)).as(message).isEqualTo(SERVER_ERROR);
    assertThat(inBand(message)).as(message).isEqualTo(STREAM_ERROR);
    for (ProtocolReplies spoken : ProtocolReplies.values()) {
      String line = error(message);
      String event = spoken == ProtocolReplies.OLLAMA ? line + "\n" : "data: " + line + "\n\n";
      new RecordingDeltaHandler()
          .listen(spoken.protocol(), ScriptedBody.of(event))
          .expectFailure(STREAM_ERROR);
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "429 | RATE_LIMITED | Rate limit reached for requests per min (RPM): Limit 3. Try again in 20s",
        "429 | RATE_LIMITED | This request would exceed your account's rate limit of 40,000 tokens per minute",
        "429 | QUOTA_EXCEEDED | You exceeded your current quota, please check your plan and billing details.",
        "429 | RATE_LIMITED | You exceeded your current quota. Please retry in 41.5s.",
        "429 | QUOTA_EXCEEDED | you have reached your weekly usage limit, upgrade for higher limits",
        "429 | QUOTA_EXCEEDED | Your account is not active, please check your billing details",
        "400 | QUOTA_EXCEEDED | You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.",
        "400 | QUOTA_EXCEEDED | Billing hard limit has been reached",
        "403 | QUOTA_EXCEEDED | Key limit exceeded (total limit)",
        "403 | UNAUTHORIZED | You do not have permission to use this endpoint",
        "400 | UNAUTHORIZED | Invalid API key",
        "400 | SERVER_ERROR | Model crashed. (Exit code: 18446744072635812000).",
        "429 | RATE_LIMITED | Too many tokens, please wait before trying again.",
        "403 | UNAUTHORIZED | Country, region, or territory not supported",
        "403 | BAD_REQUEST | No endpoints found that support tool use",
        "403 | CONTENT_FILTERED | Your input was flagged by our moderation",
        "404 | PATH_NOT_FOUND | Not Found",
        "404 | PATH_NOT_FOUND | Invalid URL (POST /v1/chat)",
        "404 | PATH_NOT_FOUND | no Route matched with those values",
        "404 | PATH_NOT_FOUND | The requested resource does not exist",
        "404 | BAD_REQUEST | No endpoints found that can handle the requested parameters. See https://openrouter.ai/docs/routing",
        "404 | MODEL_NOT_FOUND | No endpoints found for nousresearch/hermes-3.",
        "401 | UNAUTHORIZED | Invalid request: the template of your key is not supported",
        "503 | SERVER_BUSY | Loading model",
        "503 | BAD_REQUEST | Jinja Exception: roles must alternate",
        "502 | ORIGIN_UNREACHABLE | Bad gateway",
        "500 | SERVER_ERROR | Quality of service is low"
      })
  void theStatusCountsWhereTheWordsLeaveIt(int status, FailureKind kind, String message) {
    assertThat(refused(status, message)).isEqualTo(kind);
  }

  @Test
  void aQuotaThatNamesARetryAfterIsALimitOfAShortTime() {
    String quota = error("Quota exceeded");
    assertThat(HttpErrorClassifier.of(new ErrorResponse(429, Headers.EMPTY, quota)).kind())
        .isEqualTo(QUOTA_EXCEEDED);
    assertThat(
            HttpErrorClassifier.of(new ErrorResponse(429, Headers.of("Retry-After", "20"), quota))
                .kind())
        .isEqualTo(RATE_LIMITED);
  }

  /** A prompt or an answer that mentions quotas does not take an endpoint down. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "error parsing tool call: raw='{\"text\":\"insufficient credits\"}', err=x",
        "error parsing tool call: raw='usage limit, model \"x\" not found'",
        "cannot generate for \"insufficient credits, you regain access on Friday\"",
        "failed for prompt: the model does not exist and is out of credits"
      })
  void whatAnErrorQuotesIsNotItsMeaning(String message) {
    assertThat(inBand(message)).isIn(MODEL_STOPPED, STREAM_ERROR);
    assertThat(refused(500, message)).isIn(MODEL_STOPPED, SERVER_ERROR);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "the context was cancelled",
        "context length must be positive",
        "context deadline exceeded",
        "context canceled"
      })
  void notEveryContextIsOverflowing(String message) {
    assertThat(refused(500, message)).isNotEqualTo(CONTEXT_OVERFLOW);
    assertThat(inBand(message)).isNotEqualTo(CONTEXT_OVERFLOW);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{\"error\":\"x\",\"error_type\":\"validation\"} | BAD_REQUEST",
        "{\"error\":\"x\",\"error_type\":\"template_error\"} | BAD_REQUEST",
        "{\"error\":\"x\",\"error_type\":\"overloaded\"} | SERVER_BUSY",
        "{\"error\":\"x\",\"error_type\":\"generation\"} | STREAM_ERROR",
        "{\"error\":{\"message\":\"x\",\"code\":422}} | BAD_REQUEST",
        "{\"error\":{\"message\":\"x\",\"code\":\"413\"}} | BAD_REQUEST",
        "{\"error\":{\"message\":\"x\",\"code\":402}} | QUOTA_EXCEEDED",
        "{\"error\":{\"message\":\"x\",\"type\":\"exceed_context_size_error\"}} | CONTEXT_OVERFLOW",
        "{\"error\":{\"message\":\"x\",\"code\":\"model_not_found\"}} | MODEL_NOT_FOUND",
        "{\"error\":{\"message\":\"x\",\"code\":\"tool_use_failed\",\"failed_generation\":\"y\"}} | MODEL_STOPPED",
        "{\"object\":\"error\",\"message\":\"x\",\"type\":\"BadRequestError\",\"code\":400} | BAD_REQUEST",
        "{\"detail\":[{\"loc\":[\"body\"],\"msg\":\"Field required\",\"type\":\"missing\"}]} | BAD_REQUEST",
        "{\"message\":{\"detail\":[{\"loc\":[\"body\"],\"msg\":\"x\",\"type\":\"y\"}]}} | BAD_REQUEST",
        "{\"detail\":\"Input validation error\"} | BAD_REQUEST",
        "{\"type\":\"about:blank\",\"title\":\"Unprocessable Content\",\"status\":422,\"detail\":\"x\"} | BAD_REQUEST",
        "{\"errors\":[{\"message\":\"AiError: context window limit exceeded\",\"code\":5021}],\"success\":false} | CONTEXT_OVERFLOW",
        "{\"error\":[{\"message\":\"roles must alternate\"}]} | BAD_REQUEST",
        "{\"error_msg\":\"roles must alternate\",\"code\":7} | BAD_REQUEST",
        "{\"message\":\"roles must alternate\"} | BAD_REQUEST",
        "{\"status\":\"error\",\"message\":\"roles must alternate\"} | BAD_REQUEST",
        "{\"error\":true,\"message\":\"roles must alternate\"} | BAD_REQUEST",
        "{\"error\":\"Bad Request\",\"message\":\"prompt is too long\",\"statusCode\":400} | CONTEXT_OVERFLOW",
        "{\"error parsing tool call\":\"invalid character 'c' looking for beginning of value\"} | MODEL_STOPPED",
        "{\"error\":\"Error from provider: {\\\"error\\\":{\\\"message\\\":\\\"roles must alternate\\\"}}\"} | BAD_REQUEST",
        "{\"error\":{\"message\":\"Provider returned error\",\"code\":400,\"metadata\":{\"raw\":\"{\\\"error\\\":{\\\"message\\\":\\\"prompt is too long\\\"}}\"}}} | CONTEXT_OVERFLOW"
      })
  void everyShapeIsReadInAnAnswer(String error, FailureKind kind) {
    for (ProtocolReplies spoken : ProtocolReplies.values()) {
      String event = spoken == ProtocolReplies.OLLAMA ? error + "\n" : "data: " + error + "\n\n";
      new RecordingDeltaHandler()
          .listen(spoken.protocol(), ScriptedBody.of(event))
          .expectFailure(kind);
      new RecordingDeltaHandler()
          .listen(spoken.protocol(), ScriptedBody.of(spoken.textDelta("Par") + event))
          .expectFailure(kind);
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "unauthorized",
        "Invalid API key",
        "401 Unauthorized: no key",
        "Not authenticated"
      })
  void aKeyMayBeRejectedInAnAnswer(String message) {
    assertThat(inBand(message)).isEqualTo(UNAUTHORIZED);
  }

  @Test
  void anEventThatIsCalledAnErrorMayHoldAText() {
    for (String data : new String[] {"roles must alternate", "\"roles must alternate\""}) {
      String event = "event: error\ndata: " + data + "\n\n";
      AttemptException failure =
          new RecordingDeltaHandler()
              .listen(ProtocolReplies.OPENAI.protocol(), ScriptedBody.of(event))
              .expectFailure(BAD_REQUEST);
      assertThat(failure).hasMessage("roles must alternate");
    }
  }

  @Test
  void anErrorMayStandInAFieldOfItsOwnInAStreamOfEvents() {
    String field =
        "error: {\"code\":400,\"message\":\"the request exceeds the available context size. try "
            + "increasing the context size or enable context shift\","
            + "\"type\":\"invalid_request_error\"}\n\n";
    for (String reply : new String[] {field, field + "data: [DONE]\n\n"}) {
      AttemptException failure =
          new RecordingDeltaHandler()
              .listen(ProtocolReplies.OPENAI.protocol(), ScriptedBody.of(reply))
              .expectFailure(CONTEXT_OVERFLOW);
      assertThat(failure.message()).startsWith("the request exceeds the available context size");
    }
    new RecordingDeltaHandler()
        .listen(
            ProtocolReplies.OPENAI.protocol(),
            ScriptedBody.of(ProtocolReplies.OPENAI.textDelta("Par") + field))
        .expectFailure(CONTEXT_OVERFLOW);
    new RecordingDeltaHandler()
        .listen(ProtocolReplies.OPENAI.protocol(), ScriptedBody.of("error: something broke\n\n"))
        .expectFailure(STREAM_ERROR);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "null",
        "\"\"",
        "{}",
        "false",
        "0",
        "[]",
        "[null]",
        "\"none\"",
        "\"OK\"",
        "{\"message\":\"\",\"code\":0}",
        "{\"message\":null,\"type\":null}",
        "{\"code\":200,\"message\":\"success\"}"
      })
  void anErrorThatIsNothingBesideAnAnswerIsNone(String nothing) {
    for (ProtocolReplies spoken : ProtocolReplies.values()) {
      String reply = spoken.completeReply("hi").replaceFirst("^\\{", "{\"error\":" + nothing + ",");
      assertThat(
              new RecordingDeltaHandler()
                  .listen(spoken.protocol(), ScriptedBody.of(reply))
                  .expectAnswer())
          .as(reply)
          .isEqualTo("hi");
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"code\":0,\"message\":\"success\"}",
        "{\"status\":\"ok\",\"message\":\"connected\"}",
        "{\"status\":200,\"message\":\"OK\"}",
        "{\"status\":\"queued\",\"message\":\"two before you\"}",
        "{\"type\":\"connected\",\"message\":\"the stream begins\"}",
        "{\"code\":\"0\",\"message\":\"\"}"
      })
  void aStatusThatIsWellIsNoError(String status) {
    for (ProtocolReplies spoken : ProtocolReplies.values()) {
      String frame = spoken == ProtocolReplies.OLLAMA ? status + "\n" : "data: " + status + "\n\n";
      String reply =
          frame + spoken.textDelta("h") + frame + spoken.textDelta("i") + spoken.end(false);
      assertThat(
              new RecordingDeltaHandler()
                  .listen(spoken.protocol(), ScriptedBody.of(reply))
                  .expectAnswer())
          .as(reply)
          .isEqualTo("hi");
    }
  }

  @Test
  void ofWhatTheModelWroteTheFirstClauseIsAllThatIsShown() {
    String body =
        "{\"error\":\"error parsing tool call: raw='{\\\"customer\\\":\\\"Kern\\\"}]', err=invalid\"}";
    AttemptException failure =
        RecordingDeltaHandler.OLLAMA.refused(new ErrorResponse(500, Headers.EMPTY, body));

    assertThat(failure.kind()).isEqualTo(MODEL_STOPPED);
    assertThat(failure).hasMessage("error parsing tool call");
  }

  @Test
  void anyMessageIsWeighedInNoTime() {
    for (String part :
        new String[] {
          "model ", "'", "context exceed ", "a.", "tool image ", "\"x\" ", "(", "12 "
        }) {
      String message = part.repeat(60_000);
      assertTimeoutPreemptively(Duration.ofSeconds(20), () -> refused(500, message));
      assertTimeoutPreemptively(Duration.ofSeconds(20), () -> inBand(message));
    }
  }
}
