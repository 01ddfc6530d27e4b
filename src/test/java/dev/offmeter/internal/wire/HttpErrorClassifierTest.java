// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import static dev.offmeter.FailureKind.ACCESS_DENIED;
import static dev.offmeter.FailureKind.BAD_REQUEST;
import static dev.offmeter.FailureKind.BOT_CHALLENGE;
import static dev.offmeter.FailureKind.CONTEXT_OVERFLOW;
import static dev.offmeter.FailureKind.GATEWAY_TIMEOUT;
import static dev.offmeter.FailureKind.HOST_REJECTED;
import static dev.offmeter.FailureKind.MODEL_NOT_FOUND;
import static dev.offmeter.FailureKind.MODEL_STOPPED;
import static dev.offmeter.FailureKind.OPTION_REJECTED;
import static dev.offmeter.FailureKind.ORIGIN_UNREACHABLE;
import static dev.offmeter.FailureKind.PATH_NOT_FOUND;
import static dev.offmeter.FailureKind.QUOTA_EXCEEDED;
import static dev.offmeter.FailureKind.RATE_LIMITED;
import static dev.offmeter.FailureKind.REDIRECTED;
import static dev.offmeter.FailureKind.SERVER_BUSY;
import static dev.offmeter.FailureKind.SERVER_ERROR;
import static dev.offmeter.FailureKind.TUNNEL_DOWN;
import static dev.offmeter.FailureKind.UNAUTHORIZED;
import static dev.offmeter.FailureKind.UNEXPECTED_RESPONSE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import java.time.Duration;
import java.util.EnumSet;
import java.util.Set;
import java.util.stream.Stream;
import okhttp3.Headers;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A reply with another status than 200 gets the failure kind of its status and words. */
class HttpErrorClassifierTest {
  private static final String PAGE = "<!DOCTYPE html><html><head><title>%s</title></head></html>";
  private static final Headers CLOUDFLARE =
      Headers.of("Server", "cloudflare", "CF-RAY", "8a1b2c3d4e5f6071-FRA");

  private static AttemptException refused(int status, Headers headers, String body) {
    AttemptException failure =
        RecordingDeltaHandler.OLLAMA.refused(new ErrorResponse(status, headers, body));
    assertThat(failure.status()).isEqualTo(status);
    assertThat(failure.message()).isNotBlank();
    return failure;
  }

  private static AttemptException refused(int status, String body) {
    return refused(status, Headers.EMPTY, body);
  }

  private static String page(String title) {
    return PAGE.formatted(title);
  }

  private static String error(String text) {
    return "{\"error\":\"" + text.replace("\\", "\\\\").replace("\"", "\\\"") + "\"}";
  }

  private static String problem(int status, int code) {
    return """
        {"type":"https://developers.cloudflare.com/errors/%2$d/","title":"Error %2$d: title",
         "status":%1$d,"detail":"The detail.","instance":"8a1b","error_code":%2$d,
         "error_name":"some_error","cloudflare_error":true,"retryable":true,"retry_after":120}
        """
        .formatted(status, code);
  }

  /** Each with the words that its message must have. */
  static Stream<Arguments> recorded() {
    return Stream.of(
        arguments("0.32-model-missing", MODEL_NOT_FOUND, "model 'nope' not found"),
        arguments("0.32-model-unnamed", BAD_REQUEST, "model is required"),
        arguments("0.32-think-unsupported", BAD_REQUEST, "\"tiny\" does not support thinking"),
        arguments("0.32-schema-rejected", BAD_REQUEST, "unrecognized type strange"),
        arguments("0.32-context-overflow", CONTEXT_OVERFLOW, "request (6019 tokens) exceeds"),
        arguments("0.24-context-overflow", CONTEXT_OVERFLOW, "exceeds the context length"),
        arguments("0.24-bad-json", BAD_REQUEST, "unexpected EOF"),
        arguments(
            "0.32-option-rejected", OPTION_REJECTED, "option \"temperature\" must be of type"),
        arguments(
            "0.24-option-rejected", OPTION_REJECTED, "option \"temperature\" must be of type"),
        arguments("0.32-stop-rejected", OPTION_REJECTED, "option \"stop\" must be of type array"),
        arguments("0.24-format-rejected", BAD_REQUEST, "invalid format"),
        arguments("0.32-load-failed", SERVER_ERROR, "llama-server process has terminated"),
        arguments("0.32-error-before-answer", SERVER_ERROR, "running the model: unexpected EOF"),
        arguments("0.32-queue-full", SERVER_BUSY, "maximum pending requests exceeded"),
        arguments("0.32-cloud-disabled", UNAUTHORIZED, "ollama cloud is disabled"),
        arguments("0.32-host-rejected", HOST_REJECTED, "Host"),
        arguments("0.32-unknown-path", PATH_NOT_FOUND, "404 page not found"),
        arguments("0.32-wrong-method", PATH_NOT_FOUND, "405 method not allowed"));
  }

  @ParameterizedTest
  @MethodSource("recorded")
  void namesWhatAServerSent(String name, FailureKind kind, String message) {
    ErrorResponse reply = RecordedReply.read(name).reply();

    AttemptException failure = refused(reply.status(), reply.headers(), reply.body());

    assertThat(failure.kind()).isEqualTo(kind);
    assertThat(failure).hasMessageContaining(message);
  }

  static Stream<Arguments> servers() {
    return Stream.of(
        arguments(400, error("missing request body"), BAD_REQUEST, "missing request body"),
        arguments(400, error("invalid model name"), MODEL_NOT_FOUND, "invalid model name"),
        arguments(400, error("\"m\" does not support chat"), BAD_REQUEST, "does not support chat"),
        arguments(400, "", BAD_REQUEST, "request rejected"),
        arguments(400, "Bad Request", BAD_REQUEST, "Bad Request"),
        arguments(
            400,
            page("400 The plain HTTP request was sent to HTTPS port"),
            BAD_REQUEST,
            "400 The plain"),
        arguments(
            400,
            error("the prompt is longer than the context length currently available to the model"),
            CONTEXT_OVERFLOW,
            "the prompt is longer"),
        arguments(
            400,
            error(
                "input length (40000 tokens) exceeds the model's maximum context length "
                    + "(32768 tokens)"),
            CONTEXT_OVERFLOW,
            "40000 tokens"),
        arguments(
            400,
            error(
                "{\"error\":{\"code\":400,\"message\":\"too many\","
                    + "\"type\":\"exceed_context_size_error\"}}"),
            CONTEXT_OVERFLOW,
            "too many"),
        arguments(
            400,
            "{\"error\":{\"code\":400,\"message\":\"request (9 tokens) exceeds the "
                + "available context size (4 tokens)\",\"type\":\"exceed_context_size_error\"}}",
            CONTEXT_OVERFLOW,
            "request (9 tokens)"),
        arguments(401, "", UNAUTHORIZED, "key rejected"),
        arguments(
            401, "{\"error\":\"unauthorized\",\"signin_url\":\"x\"}", UNAUTHORIZED, "unauthorized"),
        arguments(
            401,
            "{\"error\":{\"message\":\"Invalid API Key\","
                + "\"type\":\"authentication_error\",\"code\":401}}",
            UNAUTHORIZED,
            "Invalid API Key"),
        arguments(401, page("401 Authorization Required"), UNAUTHORIZED, "401 Authorization"),
        arguments(403, " \n", HOST_REJECTED, "Host"),
        arguments(403, "Forbidden", UNAUTHORIZED, "Forbidden"),
        arguments(403, page("Attention Required"), ACCESS_DENIED, "\"Attention Required\""),
        arguments(404, "", PATH_NOT_FOUND, "empty body"),
        arguments(
            404,
            error("model \"x\" not found, try pulling it first"),
            MODEL_NOT_FOUND,
            "try pulling"),
        arguments(
            404,
            "{\"error\":{\"message\":\"The model `x` does not exist\",\"type\":\"NotFoundError\"}}",
            MODEL_NOT_FOUND,
            "does not exist"),
        arguments(
            404,
            "{\"error\":{\"message\":\"File Not Found\",\"type\":\"not_found_error\","
                + "\"code\":404}}",
            PATH_NOT_FOUND,
            "File Not Found"),
        arguments(404, "{\"detail\":\"Not Found\"}", PATH_NOT_FOUND, "Not Found"),
        arguments(404, page("404 model zoo"), PATH_NOT_FOUND, "404 model zoo"),
        arguments(405, "", PATH_NOT_FOUND, "method not allowed"),
        arguments(407, "", UNAUTHORIZED, "key rejected"),
        arguments(408, "", GATEWAY_TIMEOUT, "too slow"),
        arguments(409, "", BAD_REQUEST, "request rejected"),
        arguments(413, page("413 Request Entity Too Large"), BAD_REQUEST, "413 Request Entity"),
        arguments(418, "short and stout", BAD_REQUEST, "short and stout"),
        arguments(
            422,
            "{\"detail\":[{\"loc\":[\"body\"],\"msg\":\"missing\"}]}",
            BAD_REQUEST,
            "body: missing"),
        arguments(425, "", SERVER_BUSY, "too early"),
        arguments(429, "", RATE_LIMITED, "too many requests"),
        arguments(
            429,
            "{\"error\":\"Model is overloaded\",\"error_type\":\"overloaded\"}",
            SERVER_BUSY,
            "overloaded"),
        arguments(
            429,
            error("you have reached your session usage limit"),
            QUOTA_EXCEEDED,
            "session usage"),
        arguments(429, "[{\"error\":{\"code\":429,\"message\":\"quota\"}}]", RATE_LIMITED, "quota"),
        arguments(499, error("request canceled"), BAD_REQUEST, "request canceled"),
        arguments(500, "", SERVER_ERROR, "server error"),
        arguments(
            500,
            error("prediction aborted, token repeat limit reached"),
            MODEL_STOPPED,
            "token repeat"),
        arguments(
            500,
            error("option \"stop\" must be of an array of strings"),
            OPTION_REJECTED,
            "array of strings"),
        arguments(
            500, error("option \"num_ctx\" must be of type integer"), OPTION_REJECTED, "num_ctx"),
        arguments(500, error("the option is yours"), SERVER_ERROR, "the option is yours"),
        arguments(400, error("option \"x\" must be of type integer"), BAD_REQUEST, "must be of"),
        arguments(501, error("not supported"), BAD_REQUEST, "not supported"),
        arguments(502, "", ORIGIN_UNREACHABLE, "not reachable"),
        arguments(502, error("ollama.com unreachable"), ORIGIN_UNREACHABLE, "ollama.com"),
        arguments(503, "", SERVER_ERROR, "unavailable"),
        arguments(503, page("503 Service Temporarily Unavailable"), SERVER_ERROR, "503 Service"),
        arguments(
            503, error("Server overloaded, please retry shortly (ref: 1)"), SERVER_BUSY, "ref: 1"),
        arguments(
            503, error("timed out waiting for a concurrent request slot"), SERVER_BUSY, "slot"),
        arguments(
            503,
            "{\"error\":{\"message\":\"Loading model\",\"type\":\"unavailable_error\","
                + "\"code\":503}}",
            SERVER_BUSY,
            "Loading model"),
        arguments(
            503,
            error("{\"error\":{\"message\":\"Loading model\",\"code\":503}}"),
            SERVER_BUSY,
            "Loading"),
        arguments(503, error("out of disk"), SERVER_ERROR, "out of disk"),
        arguments(504, "", GATEWAY_TIMEOUT, "too slow"),
        arguments(505, "", SERVER_ERROR, "server error"),
        arguments(529, error("overloaded"), SERVER_BUSY, "overloaded"),
        arguments(599, "", SERVER_ERROR, "server error"),
        arguments(204, "", UNEXPECTED_RESPONSE, "not an answer"),
        arguments(206, "{\"message\":{}}", UNEXPECTED_RESPONSE, "not an answer"),
        arguments(600, "", UNEXPECTED_RESPONSE, "unknown status"),
        arguments(199, "", UNEXPECTED_RESPONSE, "unknown status"));
  }

  @ParameterizedTest
  @MethodSource("servers")
  void namesWhatAServerMaySend(int status, String body, FailureKind kind, String message) {
    for (Headers headers : new Headers[] {Headers.EMPTY, CLOUDFLARE}) {
      AttemptException failure = refused(status, headers, body);

      assertThat(failure.kind()).isEqualTo(kind);
      assertThat(failure).hasMessageContaining(message);
      assertThat(failure.retryAfter()).isEmpty();
    }
  }

  static Stream<Arguments> edge() {
    return Stream.of(
        arguments(530, "error code: 1033", TUNNEL_DOWN, "1033"),
        arguments(530, " error code: 1033\n", TUNNEL_DOWN, "1033"),
        arguments(530, page("Cloudflare Tunnel error | Error 1033"), TUNNEL_DOWN, "1033"),
        arguments(530, problem(530, 1033), TUNNEL_DOWN, "1033"),
        arguments(530, "", TUNNEL_DOWN, "cloudflared"),
        arguments(530, "error code: 530", TUNNEL_DOWN, "cloudflared"),
        arguments(530, "error code: 1016", TUNNEL_DOWN, "1016"),
        arguments(530, problem(530, 1016), TUNNEL_DOWN, "1016"),
        arguments(530, "{\"cloudflare_error\":true}", TUNNEL_DOWN, "cloudflared"),
        arguments(530, "{\"cloudflare_error\":true,\"error_code\":10", TUNNEL_DOWN, "cloudflared"),
        arguments(
            502, page("example.org | 502: Bad gateway"), ORIGIN_UNREACHABLE, "502: Bad gateway"),
        arguments(502, "error code: 502", ORIGIN_UNREACHABLE, "502"),
        arguments(504, "error code: 504", GATEWAY_TIMEOUT, "504"),
        arguments(504, page("example.org | 504: Gateway time-out"), GATEWAY_TIMEOUT, "504"),
        arguments(
            520,
            page("example.org | 520: Web server is returning an unknown error"),
            ORIGIN_UNREACHABLE,
            "520"),
        arguments(520, "", ORIGIN_UNREACHABLE, "not reachable"),
        arguments(521, "error code: 521", ORIGIN_UNREACHABLE, "521"),
        arguments(522, "", ORIGIN_UNREACHABLE, "not reachable"),
        arguments(523, "", ORIGIN_UNREACHABLE, "not reachable"),
        arguments(524, page("example.org | 524: A timeout occurred"), GATEWAY_TIMEOUT, "524"),
        arguments(524, "error code: 524", GATEWAY_TIMEOUT, "524"),
        arguments(524, problem(524, 524), GATEWAY_TIMEOUT, "The detail."),
        arguments(525, "", ORIGIN_UNREACHABLE, "not reachable"),
        arguments(526, "", ORIGIN_UNREACHABLE, "not reachable"),
        arguments(500, "error code: 500", SERVER_ERROR, "500"),
        arguments(503, "error code: 503", SERVER_ERROR, "503"),
        arguments(429, "error code: 429", RATE_LIMITED, "429"),
        arguments(413, "error code: 413", BAD_REQUEST, "413"),
        arguments(403, "error code: 1010", BOT_CHALLENGE, "1010"),
        arguments(403, "error code: 1020", BOT_CHALLENGE, "1020"),
        arguments(403, problem(403, 1010), BOT_CHALLENGE, "1010"),
        arguments(409, "error code: 1001", BOT_CHALLENGE, "1001"),
        arguments(429, "error code: 1015", RATE_LIMITED, "1015"),
        arguments(429, problem(429, 1015), RATE_LIMITED, "1015"),
        arguments(
            429, page("Access denied | example.org used Cloudflare | 1015"), RATE_LIMITED, "1015"),
        arguments(429, "error code: 1027", RATE_LIMITED, "1027"),
        arguments(500, "error code: 1101", SERVER_ERROR, "1101"),
        arguments(503, problem(503, 1200), SERVER_ERROR, "1200"));
  }

  @ParameterizedTest
  @MethodSource("edge")
  void namesWhatTheEdgeSends(int status, String body, FailureKind kind, String message) {
    AttemptException failure = refused(status, CLOUDFLARE, body);

    assertThat(failure.kind()).isEqualTo(kind);
    assertThat(failure).hasMessageContaining(message);
  }

  /** Only the edge's own form counts: a server may quote it. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"error\":\"error code: 1010\"}",
        "it said error code: 1010",
        "error code: 1010 again",
        "{\"error\":\"said \\\"cloudflare_error\\\":true\",\"error_code\":1010}"
      })
  void aQuotedEdgeCodeIsNotOne(String body) {
    assertThat(refused(500, body).kind()).isEqualTo(SERVER_ERROR);
  }

  static Stream<Arguments> tunnels() {
    String ngrok =
        page("ngrok - %s").formatted("x") + "<p>The endpoint is offline. ERR_NGROK_%d</p>";
    return Stream.of(
        arguments(404, ngrok.formatted(3200), TUNNEL_DOWN, "3200"),
        arguments(
            404,
            "The endpoint x.ngrok.app is offline.\r\n\r\nERR_NGROK_3200\r\n",
            TUNNEL_DOWN,
            "3200"),
        arguments(200, ngrok.formatted(3200), TUNNEL_DOWN, "3200"),
        arguments(502, ngrok.formatted(8012), TUNNEL_DOWN, "8012"),
        arguments(502, ngrok.formatted(3004), TUNNEL_DOWN, "3004"),
        arguments(200, ngrok.formatted(6024), BOT_CHALLENGE, "6024"),
        arguments(403, ngrok.formatted(727), QUOTA_EXCEEDED, "727"),
        arguments(429, ngrok.formatted(734), RATE_LIMITED, "734"),
        arguments(404, frp(), TUNNEL_DOWN, "no tunnel"),
        arguments(503, page("503 - Tunnel Unavailable"), TUNNEL_DOWN, "no tunnel"),
        arguments(503, "503 - Tunnel Unavailable", TUNNEL_DOWN, "no tunnel"),
        arguments(200, page("Tunnel offline"), TUNNEL_DOWN, "no tunnel"),
        arguments(404, "404", TUNNEL_DOWN, "no tunnel"),
        arguments(502, "localtunnel error: no active client for 'x'", TUNNEL_DOWN, "no tunnel"),
        arguments(404, "no tunnel here :(", TUNNEL_DOWN, "no tunnel"),
        arguments(404, page("Tunnel not found"), TUNNEL_DOWN, "no tunnel"),
        arguments(502, error("tunnel not found"), TUNNEL_DOWN, "no tunnel"));
  }

  private static String frp() {
    return page("Not Found")
        + "<h1>The page you requested was not found.</h1><p><em>Faithfully yours, frp.</em></p>";
  }

  @ParameterizedTest
  @MethodSource("tunnels")
  void namesWhatTheGatewayOfATunnelSends(
      int status, String body, FailureKind kind, String message) {
    AttemptException failure = refused(status, body);

    assertThat(failure.kind()).isEqualTo(kind);
    assertThat(failure).hasMessageContaining(message);
  }

  @Test
  void ngrokSaysInAHeaderWhatItsReplyIs() {
    assertThat(refused(404, Headers.of("ngrok-error-code", "ERR_NGROK_3200"), "").kind())
        .isEqualTo(TUNNEL_DOWN);
    assertThat(refused(200, Headers.of("Ngrok-Error-Code", "ERR_NGROK_6024"), "x").kind())
        .isEqualTo(BOT_CHALLENGE);
    assertThat(refused(404, Headers.of("ngrok-error-code", "ERR_NGROK_9"), "").kind())
        .isEqualTo(PATH_NOT_FOUND);
  }

  /** A server may speak of tunnels, or repeat a prompt that does. */
  @Test
  void notEveryWordOfATunnelIsAGateways() {
    assertThat(refused(500, error("bad text: 'ERR_NGROK_3200, no tunnel here :('")).kind())
        .isEqualTo(SERVER_ERROR);
    assertThat(refused(500, error("the tunnel of love is unsupported")).kind())
        .isEqualTo(SERVER_ERROR);
    assertThat(refused(404, page("404")).kind()).isEqualTo(PATH_NOT_FOUND);
    assertThat(refused(404, page("The page you requested was not found.")).kind())
        .isEqualTo(PATH_NOT_FOUND);
  }

  @Test
  void aPageUnderHttp200IsNotAskedForAgain() {
    assertThat(refused(200, page("Welcome")).isDefinite()).isTrue();
    assertThat(refused(200, "no page").isDefinite()).isFalse();
    assertThat(refused(500, page("Oops")).isDefinite()).isFalse();
  }

  @ParameterizedTest
  @ValueSource(ints = {403, 429, 503})
  void aChallengeIsKnownByItsHeader(int status) {
    String body = page("Just a moment...");
    Headers marked = CLOUDFLARE.newBuilder().add("CF-Mitigated", "Challenge").build();
    Headers other = CLOUDFLARE.newBuilder().add("CF-Mitigated", "none").build();

    assertThat(refused(status, marked, body).kind()).isEqualTo(BOT_CHALLENGE);
    assertThat(refused(status, marked, "").kind()).isEqualTo(BOT_CHALLENGE);
    assertThat(refused(status, other, body).kind()).isNotEqualTo(BOT_CHALLENGE);
  }

  @ParameterizedTest
  @CsvSource({
    "302, https://team.cloudflareaccess.com/cdn-cgi/access/login/llm, ACCESS_DENIED",
    "302, /cdn-cgi/access/login/llm.example.org, ACCESS_DENIED",
    "303, https://team.cloudflareaccess.com/, ACCESS_DENIED",
    "302, https://llm.example.org/login, REDIRECTED",
    "301, https://llm.example.org/api/chat, REDIRECTED",
    "307, http://llm.example.org/api/chat, REDIRECTED",
    "308, /ollama/api/chat, REDIRECTED",
    "304, , REDIRECTED",
    "300, , REDIRECTED",
    "399, , REDIRECTED"
  })
  void aRedirectIsAccessOrJustARedirect(int status, String location, FailureKind kind) {
    Headers headers = location == null ? Headers.EMPTY : Headers.of("location", location);

    assertThat(refused(status, headers, "").kind()).isEqualTo(kind);
    assertThat(refused(status, headers, page("302 Found")).kind()).isEqualTo(kind);
  }

  @ParameterizedTest
  @ValueSource(ints = {401, 403, 404, 500})
  void aLoginPageIsAccessWhateverItsStatus(int status) {
    String marks = "<html><a href=\"/cdn-cgi/access/login\">Sign in</a></html>";

    assertThat(refused(status, marks).kind()).isEqualTo(ACCESS_DENIED);
    assertThat(refused(status, "\ufeff" + marks).kind()).isEqualTo(ACCESS_DENIED);
    assertThat(refused(status, error(marks)).kind()).isNotEqualTo(ACCESS_DENIED);
  }

  @Test
  void everyStatusGivesSomeFailureWithThatStatus() {
    Set<FailureKind> fromThree = EnumSet.noneOf(FailureKind.class);
    for (int status = 100; status < 1000; status++) {
      for (String body : new String[] {"", " ", "{}", "[]", "null", "{\"error\":null}", "<html>"}) {
        FailureKind kind = refused(status, body).kind();
        if (status >= 300 && status < 400) {
          fromThree.add(kind);
        }
      }
    }
    assertThat(fromThree).containsExactly(REDIRECTED);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "Retry-After | 7 | 7000",
        "Retry-After | 0 | 0",
        "retry-after-ms | 1500 | 1500",
        "Retry-After | Sat, 21 Nov 2026 09:17:37 GMT | 10000",
        "Retry-After | soon |",
        "X-Retry-After | 7 |"
      })
  void theRetryAfterThatWasAskedForIsKept(String name, String value, Long millis) {
    Headers headers = Headers.of("Date", "Sat, 21 Nov 2026 09:17:27 GMT", name, value);
    Duration pause = millis == null ? null : Duration.ofMillis(millis);

    for (int status : new int[] {302, 403, 429, 500, 502, 503, 530}) {
      assertThat(refused(status, headers, "").retryAfter().orElse(null)).isEqualTo(pause);
    }
  }

  @Test
  void aServiceThatNamesARetryAfterIsBusy() {
    assertThat(refused(503, Headers.of("Retry-After", "5"), "").kind()).isEqualTo(SERVER_BUSY);
    assertThat(refused(503, Headers.of("Retry-After", "5"), page("503")).kind())
        .isEqualTo(SERVER_BUSY);
    assertThat(refused(502, Headers.of("Retry-After", "5"), "").kind())
        .isEqualTo(ORIGIN_UNREACHABLE);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "<title>Plain</title> | an HTML page titled \"Plain\"",
        "<HTML><HEAD><TITLE lang='en'> Upper </TITLE> | an HTML page titled \"Upper\"",
        "<html><title></title> | an HTML page",
        "<html><title>Cut | an HTML page titled \"Cut\"",
        "<html> | an HTML page"
      })
  void aPageGivesItsTitle(String body, String message) {
    assertThat(refused(500, body)).hasMessage(message);
  }

  @Test
  void noMoreIsRepeatedThanNeeded() {
    assertThat(refused(500, page("x".repeat(5000))).message().length()).isLessThan(4100);
    assertThat(refused(500, "x".repeat(200))).hasMessage("x".repeat(200));
    assertThat(refused(500, "x".repeat(201))).hasMessage("server error");
    assertThat(refused(500, "{\"unknown\":\"shape\"}")).hasMessage("server error");
    assertThat(refused(500, "{\"broken")).hasMessage("server error");
    assertThat(refused(500, error(" two\nlines \n").replace("\n", "\\n"))).hasMessage("two\nlines");
  }

  /** The caller's own thread reads the page; no page may hold it. */
  @Test
  void anyPageIsReadInNoTime() {
    String titles = "<" + "<title".repeat(40_000);
    String options = error("option \"" + "\" must be of type ".repeat(30_000) + "\nx");

    assertTimeoutPreemptively(Duration.ofSeconds(20), () -> refused(500, titles));
    assertTimeoutPreemptively(
        Duration.ofSeconds(20), () -> refused(500, options.replace("\n", "\\n")));
  }
}
