// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import java.util.Locale;

/**
 * A kind says what went wrong in one attempt. What the call does next, and what the endpoint's
 * health makes of it, is decided in one table, printed in {@code docs/failure-kinds.md} with the
 * first sentence of each constant.
 */
public enum FailureKind {
  /** Nothing listens at the address, or no route leads to it. */
  CONNECTION_REFUSED(Category.CONNECTION),
  /** The host name does not resolve. */
  UNKNOWN_HOST(Category.CONNECTION),
  /** The TLS handshake failed. The reason is a certificate, a host name or a protocol version. */
  TLS_FAILED(Category.CONNECTION),
  /** No connection was made within the connect timeout. That covers DNS, TCP and TLS. */
  CONNECT_TIMEOUT(Category.CONNECTION),
  /**
   * The tunnel's gateway answered, but no tunnel is connected. Cloudflare says so with HTTP 530,
   * ngrok with error 3200 and others.
   */
  TUNNEL_DOWN(Category.CONNECTION),
  /**
   * A proxy or tunnel could not reach the server behind it. HTTP 502, 520 to 523, 525 and 526 mean
   * this.
   */
  ORIGIN_UNREACHABLE(Category.CONNECTION),
  /** A proxy or tunnel gave up waiting for the server. HTTP 408, 504 and 524 mean this. */
  GATEWAY_TIMEOUT(Category.TIMEOUT),
  /** The server answered with any other HTTP 5xx, or 424. */
  SERVER_ERROR(Category.SERVER),
  /** The connection closed or was reset before the answer began. */
  CONNECTION_LOST(Category.CONNECTION),
  /** The connection or the text ended in mid-answer. */
  TRUNCATED(Category.ANSWER),
  /** An HTTP 200 answer contained an error. */
  STREAM_ERROR(Category.SERVER),
  /** The answer ended without its end marker. The connection was closed in good order. */
  MISSING_END_MARKER(Category.ANSWER),
  /**
   * An HTTP 2xx response was not an answer. It was an HTML page, broken JSON or a status report,
   * for example, or any 2xx other than 200.
   */
  UNEXPECTED_RESPONSE(Category.ANSWER),
  /**
   * The answer was complete but had no text. The prompt was not long, and no tools were offered.
   */
  EMPTY_ANSWER(Category.ANSWER),
  /** The answer does not match the requested schema. */
  FORMAT_MISMATCH(Category.ANSWER),
  /**
   * The model gave up, or wrote an unreadable tool call. Its reason lies in the prompt, such as a
   * recitation, or is not known.
   */
  MODEL_STOPPED(Category.ANSWER),
  /**
   * A check of the request rejected the answer. Such checks are set with {@link
   * ChatRequest.Builder#accept}.
   */
  ANSWER_REJECTED(Category.ANSWER),
  /** A content filter or the model refused explicitly. */
  CONTENT_FILTERED(Category.REQUEST),
  /**
   * The response exceeded a size limit. The limit is that of a line, an answer, a value in it,
   * headers and framing, or the share of the heap that all responses of a process have.
   */
  RESPONSE_TOO_LARGE(Category.ANSWER),
  /**
   * The server generated far more than {@code maxTokens}, or its answer repeated itself. The latter
   * is not held against the endpoint.
   */
  RUNAWAY(Category.ANSWER),
  /**
   * The server was silent, and a health check found it dead. A check is made after a third of the
   * first-token timeout, at most 5 s, in mid-answer too; it fails if it is refused, reset, not
   * answered in 2 s, or not passed on by a proxy.
   */
  UNRESPONSIVE(Category.CONNECTION),
  /** The model is not loaded, and loading takes too long to wait. */
  MODEL_COLD(Category.SERVER),
  /**
   * Calls got no byte from a server whose health checks pass. Two calls in a row did, although the
   * server has the model in memory and serves no other call of this client: the model hangs. A
   * half-open trial that gets no byte either ends the same way.
   */
  WEDGED(Category.SERVER),
  /** No answer or thinking began within the first-token timeout. */
  FIRST_TOKEN_TIMEOUT(Category.TIMEOUT),
  /**
   * The answer began, then paused too long or came too slowly. The bounds are the stall timeout and
   * the minimum rate.
   */
  STALLED(Category.TIMEOUT),
  /**
   * The answer was not complete within the attempt's timeout. Or within its share of the deadline,
   * if that is at least half of the timeout, or if calls have waited here in vain for twice the
   * timeout in all.
   */
  ATTEMPT_TIMEOUT(Category.TIMEOUT),
  /**
   * A short share of the deadline, or {@code streamTimeout}, passed. A share is short if it is less
   * than half of the attempt's timeout while later endpoints had a share left.
   */
  DEADLINE_SHARE_EXCEEDED(Category.TIMEOUT),
  /** A timeout passed while other calls there made progress. */
  OVERLOADED(Category.LIMIT),
  /** Text already streamed turned out to be thinking. */
  TEXT_WITHDRAWN(Category.ANSWER),
  /** The server asks for fewer requests. HTTP 429 and Cloudflare error 1015 mean this. */
  RATE_LIMITED(Category.LIMIT),
  /**
   * The server is busy or still loading. It says so with HTTP 503 and words to that effect or a
   * {@code Retry-After}, with 429 and words about overload, with 425 or 529.
   */
  SERVER_BUSY(Category.LIMIT),
  /**
   * The endpoint's {@code maxConcurrent} or adaptive limit was reached. The server was not asked.
   */
  BULKHEAD_FULL(Category.LIMIT),
  /** The endpoint's {@code requestsPerMinute} were used up. The server was not asked. */
  CLIENT_RATE_LIMITED(Category.LIMIT),
  /** A budget of this client has no room for the request. The server was not asked. */
  BUDGET_EXCEEDED(Category.LIMIT),
  /**
   * The account has no money or quota left. HTTP 402 says so, or words to that effect in any
   * status.
   */
  QUOTA_EXCEEDED(Category.LIMIT),
  /**
   * The key is missing, wrong or expired. HTTP 401, 407, and 403 unless its error is about the
   * request, mean this; so does a credential that could not be had.
   */
  UNAUTHORIZED(Category.CONFIGURATION),
  /**
   * Cloudflare Access, a proxy or a 403 page denied access. Access does when the service token is
   * missing, wrong or expired.
   */
  ACCESS_DENIED(Category.CONFIGURATION),
  /** A bot check or ban stands in front of the server. No client of an API can pass it. */
  BOT_CHALLENGE(Category.CONFIGURATION),
  /** Ollama rejected the {@code Host} header. It answers with HTTP 403 and an empty body. */
  HOST_REJECTED(Category.CONFIGURATION),
  /** The server redirected, which is never followed. */
  REDIRECTED(Category.CONFIGURATION),
  /** The server does not have the model. */
  MODEL_NOT_FOUND(Category.CONFIGURATION),
  /**
   * The server does not know the path. HTTP 404 without a JSON error or with one about a path, and
   * 405, mean this.
   */
  PATH_NOT_FOUND(Category.CONFIGURATION),
  /** The server rejected the type of an option. */
  OPTION_REJECTED(Category.CONFIGURATION),
  /**
   * The server cannot serve this request. HTTP 4xx with no kind of its own says so, or words to
   * that effect in any status.
   */
  BAD_REQUEST(Category.REQUEST),
  /** The conversation exceeds the model's context. Its answer counts too. */
  CONTEXT_OVERFLOW(Category.REQUEST),
  /** Thinking used up {@code maxTokens} before the answer. */
  THINKING_ONLY(Category.REQUEST),
  /** The in-process function threw, or returned null or blank. */
  FUNCTION_FAILED(Category.CLIENT),
  /** The request requires self-hosted endpoints; this one is managed. It was not asked. */
  NOT_PERMITTED(Category.REQUEST),
  /**
   * The endpoint lacks what the request requires, or its context is certainly too small. It was not
   * asked.
   */
  NOT_CAPABLE(Category.REQUEST),
  /** The endpoint is down or loading; it was not asked. Or another call is its half-open trial. */
  CIRCUIT_OPEN(Category.CLIENT),
  /**
   * The deadline passed, or left too little time. That was before the endpoint was asked, or, if
   * the deadline left it less than half of its timeout, before its answer was complete.
   */
  DEADLINE_EXCEEDED(Category.TIMEOUT),
  /**
   * The caller stopped the call, or another endpoint answered first. A future was cancelled, a
   * thread interrupted, a stream or client closed; with hedging, the other endpoint won.
   */
  CANCELLED(Category.CLIENT),
  /**
   * Offmeter, your {@code OkHttpClient} or the JVM failed. An interceptor threw, for example, or no
   * thread could be had.
   */
  INTERNAL(Category.CLIENT);

  /** The part of a call that failed; coarse enough for a metric or an alert. */
  public enum Category {
    /** The endpoint could not be reached, or the connection to it broke. */
    CONNECTION,
    /** A time limit passed before the answer was complete. */
    TIMEOUT,
    /** The server answered that it failed, or its model does not work. */
    SERVER,
    /** A reply came which is no answer, not a whole one, or not an acceptable one. */
    ANSWER,
    /** A limit of the server or of this client leaves no room for the request now. */
    LIMIT,
    /** The endpoint's settings are wrong: they require operator action. */
    CONFIGURATION,
    /** The request itself is the reason: it would fail elsewhere too. */
    REQUEST,
    /** The cause lies in this process: its code, its circuit breaker, or its caller's wish. */
    CLIENT
  }

  private final Category category;

  FailureKind(Category category) {
    this.category = category;
  }

  /** Returns the part of a call that failed. */
  public Category category() {
    return category;
  }

  /** Returns a link to the section of {@code docs/troubleshooting.md} that says what to do. */
  public String link() {
    return AllEndpointsFailedException.GUIDE + anchor();
  }

  /** Returns the anchor of the section of {@code docs/troubleshooting.md} that says what to do. */
  public String anchor() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }
}
