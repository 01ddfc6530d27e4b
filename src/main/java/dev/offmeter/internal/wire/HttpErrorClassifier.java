// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.json.Json;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Classifies a reply that is not an answer: first by the marks of Cloudflare's edge, which may
 * replace the server's own status, then by the status.
 *
 * <p>Sources: Cloudflare's documentation of its 1xxx and 5xx errors, of {@code cf-mitigated}, of
 * Access service tokens and of RFC 9457 error bodies; cloudflared's source for the empty bodies of
 * its own 403, 404 and 503.
 */
public final class HttpErrorClassifier {
  private static final Pattern TITLE =
      Pattern.compile("<title[^<>]*>([^<]{0,4000})", Pattern.CASE_INSENSITIVE);

  /** The longest plain text that is shown. */
  private static final int PLAIN = 200;

  private static final Pattern EDGE_CODE = Pattern.compile("error code: (1\\d{3})");

  /**
   * The words of llama-server, and of routers that start one for each model, while a model loads.
   */
  private static final Set<String> LOADING =
      Set.of("loading model", "model is loading", "model is being loaded", "model_loading");

  private HttpErrorClassifier() {}

  public static AttemptException of(ErrorResponse reply) {
    AttemptException failure = classify(reply, error(reply)).withStatus(reply.status());
    AttemptException dated =
        RetryAfter.of(reply.headers()).map(failure::withRetryAfter).orElse(failure);
    return isDefinite(reply) ? dated.asDefinite() : dated;
  }

  /**
   * Reads the error, which may be a short text without JSON, as from llama-swap and Go's servers.
   */
  private static ErrorBody error(ErrorResponse reply) {
    ErrorBody error = ErrorBody.parse(reply.body());
    String text = reply.body().strip();
    boolean plain = !error.json() && text.length() <= PLAIN && !text.startsWith("{");
    return plain && !isHtml(text) ? ErrorBody.ofPlain(text) : error;
  }

  /**
   * Returns whether a retry is pointless. OpenAI and Anthropic say so in {@code x-should-retry},
   * which their own clients heed. A page under HTTP 200 comes from another server, and will come
   * again.
   */
  private static boolean isDefinite(ErrorResponse reply) {
    return "false".equalsIgnoreCase(reply.headers().get("x-should-retry"))
        || (reply.status() == 200 && isHtml(reply.body()));
  }

  public static boolean isHtml(String body) {
    return body.replaceFirst("^[\\s\ufeff]+", "").startsWith("<");
  }

  private static AttemptException classify(ErrorResponse reply, ErrorBody error) {
    if ("challenge".equalsIgnoreCase(reply.headers().get("cf-mitigated"))) {
      return AttemptException.of(
          FailureKind.BOT_CHALLENGE, "Cloudflare answered with a bot challenge");
    }
    int code = edgeCode(reply);
    if (code != 0) {
      return edge(code, reply.status());
    }
    if (isAccess(reply)) {
      return AttemptException.of(
          FailureKind.ACCESS_DENIED,
          "Cloudflare Access wants a login: service token missing, wrong or expired");
    }
    if (reply.status() / 100 == 3) {
      return AttemptException.of(FailureKind.REDIRECTED, "a redirect, which is never followed");
    }
    return TunnelErrorPages.of(reply, error).orElseGet(() -> byWordsOrStatus(reply, error));
  }

  /** Classifies by the server's words, which outweigh its status. */
  private static AttemptException byWordsOrStatus(ErrorResponse reply, ErrorBody error) {
    ErrorClassifier words = ErrorClassifier.of(error);
    boolean dated = RetryAfter.of(reply.headers()).isPresent();
    boolean mayBeOfRequest = isOfRequest(reply.status(), error.json(), words.isShortTerm(dated));
    Optional<FailureKind> said =
        reply.status() == 402
            ? Optional.of(FailureKind.QUOTA_EXCEEDED)
            : words.refusal(dated).or(() -> mayBeOfRequest ? words.request() : Optional.empty());
    if (said.isPresent()) {
      return worded(said.get(), reply, error, "payment required");
    }
    return byStatus(reply, error, words);
  }

  /** Returns whether the status may also report a fault of the request, the model or its output. */
  private static boolean isOfRequest(int status, boolean json, boolean shortTerm) {
    return switch (status) {
      // The status alone decides 401 and 407; 403 and 404 are classified elsewhere.
      case 401, 403, 404, 407 -> false;
      case 429 -> json && !shortTerm;
      case 500, 501, 502, 503 -> true;
      // A path, a timeout or a proxy, unless the server itself explains it in JSON.
      case 405, 408, 425 -> json;
      default -> status / 100 == 4 || (status / 100 == 5 && json);
    };
  }

  /** Returns Cloudflare's own 1xxx number, from a plain body or from an RFC 9457 one; 0 if none. */
  private static int edgeCode(ErrorResponse reply) {
    Matcher plain = EDGE_CODE.matcher(reply.body().strip());
    if (plain.matches()) {
      return Integer.parseInt(plain.group(1));
    }
    boolean described = reply.body().contains("\"cloudflare_error\"");
    int code = described ? Json.tree(reply.body()).path("error_code").asInt() : 0;
    return code >= 1000 ? code : reply.status() == 530 ? 1033 : 0;
  }

  private static AttemptException edge(int code, int status) {
    String name = "Cloudflare error " + code;
    return switch (code) {
      case 1033 ->
          AttemptException.of(FailureKind.TUNNEL_DOWN, name + ": no cloudflared is connected");
      case 1016 ->
          AttemptException.of(FailureKind.TUNNEL_DOWN, name + ": the origin does not resolve");
      case 1015 ->
          AttemptException.of(FailureKind.RATE_LIMITED, name + ": rate limited at the edge");
      default -> edgeByStatus(name, status);
    };
  }

  private static AttemptException edgeByStatus(String name, int status) {
    if (status >= 500) {
      return AttemptException.of(FailureKind.SERVER_ERROR, name + ": failed at the edge");
    }
    return status == 429
        ? AttemptException.of(FailureKind.RATE_LIMITED, name + ": too many requests at the edge")
        : AttemptException.of(FailureKind.BOT_CHALLENGE, name + ": refused at the edge");
  }

  private static boolean isAccess(ErrorResponse reply) {
    String location = reply.headers().get("Location");
    String marked = location != null ? location : isHtml(reply.body()) ? reply.body() : "";
    return marked.contains("cloudflareaccess.com") || marked.contains("/cdn-cgi/access/");
  }

  private static AttemptException byStatus(
      ErrorResponse reply, ErrorBody error, ErrorClassifier words) {
    return switch (reply.status()) {
      case 401, 407 -> worded(FailureKind.UNAUTHORIZED, reply, error, "key rejected");
      case 403 -> forbidden(reply, error, words);
      case 404 -> notFound(reply, error, words);
      case 405 -> worded(FailureKind.PATH_NOT_FOUND, reply, error, "method not allowed");
      case 408, 504, 524 ->
          worded(FailureKind.GATEWAY_TIMEOUT, reply, error, "the server was too slow");
      case 425 -> worded(FailureKind.SERVER_BUSY, reply, error, "too early");
      // TGI sends 424 when generation fails.
      case 424 -> worded(FailureKind.SERVER_ERROR, reply, error, "generation failed");
      case 429 -> tooManyRequests(reply, error, words);
      case 502, 520, 521, 522, 523, 525, 526 ->
          worded(FailureKind.ORIGIN_UNREACHABLE, reply, error, "the server is not reachable");
      case 503 -> unavailable(reply, error, words);
      // 529 is Anthropic's own status for overload.
      case 529 -> worded(FailureKind.SERVER_BUSY, reply, error, "overloaded");
      default -> byClass(reply, error, words);
    };
  }

  private static AttemptException byClass(
      ErrorResponse reply, ErrorBody error, ErrorClassifier words) {
    return switch (reply.status() / 100) {
      case 2 -> worded(FailureKind.UNEXPECTED_RESPONSE, reply, error, "not an answer");
      case 4 -> worded(rejected(words), reply, error, "request rejected");
      case 5 -> serverError(reply, error, words);
      default -> worded(FailureKind.UNEXPECTED_RESPONSE, reply, error, "unknown status");
    };
  }

  /** Classifies a router's words: the server behind it is not there yet, or loads its model. */
  private static FailureKind failed(String message) {
    String text = message.toLowerCase(Locale.ROOT);
    if (text.startsWith("proxy error") || text.contains("could not establish connection")) {
      return FailureKind.ORIGIN_UNREACHABLE;
    }
    boolean loading = LOADING.stream().anyMatch(text::contains);
    return loading && !text.contains("error") && !text.contains("fail")
        ? FailureKind.SERVER_BUSY
        : FailureKind.SERVER_ERROR;
  }

  private static FailureKind rejected(ErrorClassifier words) {
    if (words.isKeyRejected()) {
      return FailureKind.UNAUTHORIZED;
    }
    return words.isCrash() ? FailureKind.SERVER_ERROR : FailureKind.BAD_REQUEST;
  }

  /**
   * Classifies a 5xx. A 501 with words, or a type that says so, is about what the request asks for.
   */
  private static AttemptException serverError(
      ErrorResponse reply, ErrorBody error, ErrorClassifier words) {
    boolean wanted = reply.status() == 501 && error.json() && !words.isServer();
    FailureKind kind =
        wanted || words.isRequestByType() ? FailureKind.BAD_REQUEST : failed(message(reply, error));
    return worded(kind, reply, error, "server error");
  }

  private static AttemptException forbidden(
      ErrorResponse reply, ErrorBody error, ErrorClassifier words) {
    if (reply.body().isBlank()) {
      return AttemptException.of(
          FailureKind.HOST_REJECTED, "empty body: the server does not accept the Host header");
    }
    if (error.json()) {
      return worded(words.forbidden(), reply, error, "forbidden");
    }
    // A 403 page is Access without its marks, or a firewall rule: either requires operator action.
    FailureKind kind = isHtml(reply.body()) ? FailureKind.ACCESS_DENIED : FailureKind.UNAUTHORIZED;
    return worded(kind, reply, error, "forbidden");
  }

  /** Classifies a 429, which TGI also sends when it is at capacity, whoever asks. */
  private static AttemptException tooManyRequests(
      ErrorResponse reply, ErrorBody error, ErrorClassifier words) {
    FailureKind kind = words.isOverload() ? FailureKind.SERVER_BUSY : FailureKind.RATE_LIMITED;
    return worded(kind, reply, error, "too many requests");
  }

  private static AttemptException notFound(
      ErrorResponse reply, ErrorBody error, ErrorClassifier words) {
    return worded(words.notFound(), reply, error, "no such path, empty body");
  }

  /** Returns the failure in the server's words, or else in the library's. */
  private static AttemptException worded(
      FailureKind kind, ErrorResponse reply, ErrorBody error, String otherwise) {
    String message = message(reply, error);
    if (!message.isEmpty()) {
      return AttemptException.told(kind, ErrorClassifier.shown(kind, message));
    }
    return AttemptException.of(kind, isHtml(reply.body()) ? "an HTML page" : otherwise);
  }

  private static AttemptException unavailable(
      ErrorResponse reply, ErrorBody error, ErrorClassifier words) {
    String text = error.message().toLowerCase(Locale.ROOT);
    boolean busy =
        text.contains("busy")
            || words.hasOverloadWords()
            || text.contains("overload")
            || text.contains("loading")
            || text.contains("concurrent request slot")
            || RetryAfter.of(reply.headers()).isPresent();
    if (!busy && words.isRequestByType()) {
      return worded(FailureKind.BAD_REQUEST, reply, error, "unavailable");
    }
    return worded(
        busy ? FailureKind.SERVER_BUSY : FailureKind.SERVER_ERROR, reply, error, "unavailable");
  }

  /** Returns the server's own words, or the title of its page; empty if there are none. */
  private static String message(ErrorResponse reply, ErrorBody error) {
    if (!error.message().isBlank()) {
      return error.message().strip();
    }
    String body = reply.body().strip();
    Matcher title = TITLE.matcher(isHtml(body) ? body : "");
    String name = title.find() ? title.group(1).strip() : "";
    return name.isEmpty() ? "" : "an HTML page titled \"" + name + "\"";
  }
}
