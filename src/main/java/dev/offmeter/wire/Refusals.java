// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import dev.offmeter.FailureKind;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Names a reply that is no answer for what it is. First the marks of Cloudflare's edge, which may
 * hide the server's own status, then the status.
 *
 * <p>Sources: Cloudflare's documentation of its 1xxx and 5xx errors, of {@code cf-mitigated}, of
 * Access service tokens and of RFC 9457 error bodies; cloudflared's source for the empty bodies of
 * its own 403, 404 and 503.
 */
final class Refusals {
  private static final Pattern TITLE =
      Pattern.compile("<title[^<>]*>([^<]{0,120})", Pattern.CASE_INSENSITIVE);
  private static final Pattern EDGE_CODE = Pattern.compile("error code: (1\\d{3})");

  /** llama-server, and the routers that start one for each model. */
  private static final Set<String> LOADING =
      Set.of("loading model", "model is loading", "model is being loaded", "model_loading");

  private Refusals() {}

  static Failure of(Reply reply) {
    Failure failure = judge(reply, ErrorBody.parse(reply.body())).withStatus(reply.status());
    Failure dated = RetryAfter.of(reply.headers()).map(failure::withRetryAfter).orElse(failure);
    // OpenAI and Anthropic say so, and their own clients heed it.
    boolean definite = "false".equalsIgnoreCase(reply.headers().get("x-should-retry"));
    return definite ? dated.asDefinite() : dated;
  }

  static boolean isHtml(String body) {
    return body.replaceFirst("^[\\s\ufeff]+", "").startsWith("<");
  }

  private static Failure judge(Reply reply, ErrorBody error) {
    if ("challenge".equalsIgnoreCase(reply.headers().get("cf-mitigated"))) {
      return Failure.of(FailureKind.CHALLENGED, "Cloudflare answered with a bot challenge");
    }
    int code = edgeCode(reply);
    if (code != 0) {
      return edge(code, reply.status());
    }
    if (isAccess(reply)) {
      return Failure.of(
          FailureKind.ACCESS_DENIED,
          "Cloudflare Access wants a login: service token missing, wrong or expired");
    }
    if (reply.status() / 100 == 3) {
      return Failure.of(FailureKind.REDIRECTED, "a redirect, which is never followed");
    }
    return byWords(reply, error).orElseGet(() -> byStatus(reply, error));
  }

  /** What a server says in so many words outweighs its status. */
  private static Optional<Failure> byWords(Reply reply, ErrorBody error) {
    if (reply.status() == 402 || error.isQuotaSpent()) {
      return Optional.of(
          Failure.of(FailureKind.QUOTA_SPENT, told(reply, error, "payment required")));
    }
    if (error.isContentFilter()) {
      return Optional.of(Failure.of(FailureKind.CONTENT_FILTERED, told(reply, error, "refused")));
    }
    boolean mayOverflow = reply.status() / 100 == 4 || reply.status() == 500;
    return mayOverflow && error.isContextOverflow()
        ? Optional.of(Failure.of(FailureKind.CONTEXT_OVERFLOW, told(reply, error, "")))
        : Optional.empty();
  }

  /** Cloudflare's own 1xxx number, from a plain body or from an RFC 9457 one; 0 when none. */
  private static int edgeCode(Reply reply) {
    Matcher plain = EDGE_CODE.matcher(reply.body().strip());
    if (plain.matches()) {
      return Integer.parseInt(plain.group(1));
    }
    boolean described = reply.body().contains("\"cloudflare_error\"");
    int code = described ? Json.tree(reply.body()).path("error_code").asInt() : 0;
    return code >= 1000 ? code : reply.status() == 530 ? 1033 : 0;
  }

  private static Failure edge(int code, int status) {
    String name = "Cloudflare error " + code;
    return switch (code) {
      case 1033 -> Failure.of(FailureKind.TUNNEL_DOWN, name + ": no cloudflared is connected");
      case 1016 -> Failure.of(FailureKind.TUNNEL_DOWN, name + ": the origin does not resolve");
      case 1015 -> Failure.of(FailureKind.RATE_LIMITED, name + ": rate limited at the edge");
      default -> edgeByStatus(name, status);
    };
  }

  private static Failure edgeByStatus(String name, int status) {
    if (status >= 500) {
      return Failure.of(FailureKind.SERVER_ERROR, name + ": failed at the edge");
    }
    return status == 429
        ? Failure.of(FailureKind.RATE_LIMITED, name + ": too many requests at the edge")
        : Failure.of(FailureKind.CHALLENGED, name + ": refused at the edge");
  }

  private static boolean isAccess(Reply reply) {
    String location = reply.headers().get("Location");
    String marked = location != null ? location : isHtml(reply.body()) ? reply.body() : "";
    return marked.contains("cloudflareaccess.com") || marked.contains("/cdn-cgi/access/");
  }

  private static Failure byStatus(Reply reply, ErrorBody error) {
    return switch (reply.status()) {
      case 401, 407 -> Failure.of(FailureKind.UNAUTHORIZED, told(reply, error, "key rejected"));
      case 403 -> forbidden(reply, error);
      case 404 -> notFound(reply, error);
      case 405 -> Failure.of(FailureKind.WRONG_PATH, told(reply, error, "method not allowed"));
      case 408, 504, 524 ->
          Failure.of(FailureKind.GATEWAY_TIMEOUT, told(reply, error, "the server was too slow"));
      case 425 -> Failure.of(FailureKind.SERVER_BUSY, told(reply, error, "too early"));
      // TGI fails a request that it was working on with 424.
      case 424 -> Failure.of(FailureKind.SERVER_ERROR, told(reply, error, "generation failed"));
      case 429 -> tooMany(reply, error);
      case 502, 520, 521, 522, 523, 525, 526 ->
          Failure.of(
              FailureKind.ORIGIN_UNREACHABLE, told(reply, error, "the server is not reachable"));
      case 503 -> unavailable(reply, error);
      // Anthropic's own status for too much load.
      case 529 -> Failure.of(FailureKind.SERVER_BUSY, told(reply, error, "overloaded"));
      default -> byClass(reply, error);
    };
  }

  private static Failure byClass(Reply reply, ErrorBody error) {
    return switch (reply.status() / 100) {
      case 2 -> Failure.of(FailureKind.NOT_AN_ANSWER, told(reply, error, "not an answer"));
      case 4 -> Failure.of(rejected(error), told(reply, error, "request rejected"));
      case 5 -> Failure.of(failed(told(reply, error, "")), told(reply, error, "server error"));
      default -> Failure.of(FailureKind.NOT_AN_ANSWER, told(reply, error, "unknown status"));
    };
  }

  /** A router tells in words that the server behind it is not there yet, or loads its model. */
  private static FailureKind failed(String told) {
    String text = told.toLowerCase(Locale.ROOT);
    if (text.startsWith("proxy error") || text.contains("could not establish connection")) {
      return FailureKind.ORIGIN_UNREACHABLE;
    }
    boolean loading = LOADING.stream().anyMatch(text::contains);
    return loading && !text.contains("error") && !text.contains("fail")
        ? FailureKind.SERVER_BUSY
        : FailureKind.SERVER_ERROR;
  }

  /** LM Studio without a model answers HTTP 400, though the request is not at fault. */
  private static FailureKind rejected(ErrorBody error) {
    return error.message().toLowerCase(Locale.ROOT).startsWith("no models loaded")
        ? FailureKind.MODEL_MISSING
        : FailureKind.BAD_REQUEST;
  }

  private static Failure forbidden(Reply reply, ErrorBody error) {
    if (reply.body().isBlank()) {
      return Failure.of(
          FailureKind.HOST_REJECTED, "empty body: the server does not accept the Host header");
    }
    // A 403 page is Access without its marks, or a firewall rule: for a person, either way.
    FailureKind kind = isHtml(reply.body()) ? FailureKind.ACCESS_DENIED : FailureKind.UNAUTHORIZED;
    return Failure.of(kind, told(reply, error, "forbidden"));
  }

  /** TGI says 429 when it is full, whoever asks. */
  private static Failure tooMany(Reply reply, ErrorBody error) {
    FailureKind kind = error.isOverload() ? FailureKind.SERVER_BUSY : FailureKind.RATE_LIMITED;
    return Failure.of(kind, told(reply, error, "too many requests"));
  }

  private static Failure notFound(Reply reply, ErrorBody error) {
    return error.speaksOfModel()
        ? Failure.of(FailureKind.MODEL_MISSING, told(reply, error, ""))
        : Failure.of(FailureKind.WRONG_PATH, told(reply, error, "no such path, empty body"));
  }

  private static Failure unavailable(Reply reply, ErrorBody error) {
    String text = error.message().toLowerCase(Locale.ROOT);
    boolean busy =
        text.contains("busy")
            || error.saysOverload()
            || text.contains("overload")
            || text.contains("loading")
            || text.contains("concurrent request slot")
            || RetryAfter.of(reply.headers()).isPresent();
    return Failure.of(
        busy ? FailureKind.SERVER_BUSY : FailureKind.SERVER_ERROR,
        told(reply, error, "unavailable"));
  }

  /** The server's own words, or the title of its page, or its plain text, or ours. */
  private static String told(Reply reply, ErrorBody error, String otherwise) {
    if (!error.message().isBlank()) {
      return error.message().strip();
    }
    String body = reply.body().strip();
    if (isHtml(body)) {
      Matcher title = TITLE.matcher(body);
      String name = title.find() ? title.group(1).strip() : "";
      return name.isEmpty() ? "an HTML page" : "an HTML page titled \"" + name + "\"";
    }
    boolean plain = !body.isEmpty() && body.length() <= 200 && !error.json();
    return plain && !body.startsWith("{") ? body : otherwise;
  }
}
