// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import java.util.Locale;

/**
 * What went wrong in one attempt. What follows from each, for the call and for the endpoint's
 * health, is decided in one table, printed in {@code docs/failover.md}.
 */
public enum FailureKind {
  /** Nothing listens at the address, or no route leads to it. */
  CONNECTION_REFUSED(Category.CONNECTION),
  /** The host name did not resolve. */
  UNKNOWN_HOST(Category.CONNECTION),
  /** The TLS handshake failed: a certificate, a host name, a protocol version. */
  TLS_FAILED(Category.CONNECTION),
  /** No connection within the connect timeout, which covers DNS, TCP and TLS. */
  CONNECT_TIMEOUT(Category.TIMEOUT),
  /**
   * A tunnel's gateway answers, but no tunnel is connected: Cloudflare's HTTP 530, ngrok's 3200.
   */
  TUNNEL_DOWN(Category.CONNECTION),
  /**
   * A proxy or tunnel answers, but cannot reach the server behind it: HTTP 502, 520 to 523, 525,
   * 526.
   */
  ORIGIN_UNREACHABLE(Category.CONNECTION),
  /** A proxy or tunnel gave up waiting for the server: HTTP 504, 524, 408. */
  GATEWAY_TIMEOUT(Category.TIMEOUT),
  /** Any other HTTP 5xx, and 424. */
  SERVER_ERROR(Category.SERVER),
  /** The connection closed or was reset before the answer began. */
  CONNECTION_LOST(Category.CONNECTION),
  /** The connection or the text ended in the middle of an answer. */
  TRUNCATED(Category.ANSWER),
  /** HTTP 200, then an error inside the answer. */
  STREAM_ERROR(Category.SERVER),
  /** The answer ended in good order but without its end marker. */
  MISSING_END_MARKER(Category.ANSWER),
  /**
   * HTTP 200 with something that is no answer: an HTML page, broken JSON, a status report. Also any
   * other 2xx.
   */
  UNEXPECTED_RESPONSE(Category.ANSWER),
  /** A complete reply with no text in it, to a prompt that is not long and without tools. */
  EMPTY_ANSWER(Category.ANSWER),
  /** The answer does not fit the schema that was asked for. */
  FORMAT_MISMATCH(Category.ANSWER),
  /**
   * The model gave up for a reason that lies in what it was asked, such as a recitation, or for one
   * that is not known, or wrote a call of a tool that cannot be read.
   */
  MODEL_STOPPED(Category.ANSWER),
  /** A caller's own check of the answer, {@link ChatRequest.Builder#accept}, turned it down. */
  ANSWER_REJECTED(Category.ANSWER),
  /** The server's content filter, or the model itself, refuses: an explicit refusal. */
  CONTENT_FILTERED(Category.REQUEST),
  /**
   * A line, an answer or one value in it beyond the size that the endpoint may send, headers and
   * framing without end, or no room for the answer in the share of the heap that all replies of a
   * process have.
   */
  RESPONSE_TOO_LARGE(Category.ANSWER),
  /** The server goes on long after the request's {@code maxTokens}: no end is to be expected. */
  RUNAWAY(Category.ANSWER),
  /**
   * Silent for a third of the first-token timeout, at most 5 s, and dead to the health check that
   * was sent for that reason: refused, reset, without a reply in 2 s, or not reached by its proxy.
   * In the middle of an answer too.
   */
  UNRESPONSIVE(Category.TIMEOUT),
  /** The model is not in memory, and loading it takes longer than the call could wait. */
  MODEL_COLD(Category.SERVER),
  /**
   * Two calls in a row got no byte from a self-hosted server that answers its health checks, has
   * the model in memory and serves nobody else: the model hangs. A call that tries it meanwhile and
   * gets no byte either ends so too.
   */
  WEDGED(Category.SERVER),
  /** No first piece of answer or thinking within the first-token timeout. */
  FIRST_TOKEN_TIMEOUT(Category.TIMEOUT),
  /**
   * The answer had begun, then nothing came for the stall timeout, or less than the minimum rate.
   */
  STALLED(Category.TIMEOUT),
  /**
   * No complete answer within the attempt's limit, or within its share of the deadline if that is
   * at least half of the limit, or if calls have waited here in vain for twice the limit in all.
   */
  ATTEMPT_TIMEOUT(Category.TIMEOUT),
  /**
   * No complete answer within a share of the deadline that is less than half of the limit, while
   * others had a share left, or of a stream within the stream timeout.
   */
  DEADLINE_SHARE_EXCEEDED(Category.TIMEOUT),
  /** A clock ran out while other calls on the same endpoint were making progress: a queue. */
  OVERLOADED(Category.LIMIT),
  /** What was shown of a stream as text turned out to be thinking. */
  TEXT_WITHDRAWN(Category.ANSWER),
  /** The server asks for fewer requests: HTTP 429, Cloudflare error 1015. */
  RATE_LIMITED(Category.LIMIT),
  /**
   * The server is busy or still loading: HTTP 503 with words to that effect or a {@code
   * Retry-After}, 429 with words about overload, 425, 529.
   */
  SERVER_BUSY(Category.LIMIT),
  /**
   * The endpoint's own {@code maxConcurrent} is reached, or while it is overloaded the number of
   * calls that it was seen to serve; the server was not asked.
   */
  BULKHEAD_FULL(Category.LIMIT),
  /** The endpoint's own {@code requestsPerMinute} are used up; the server was not asked. */
  CLIENT_RATE_LIMITED(Category.LIMIT),
  /** The account has no money or no quota left: HTTP 402, or words to that effect anywhere. */
  QUOTA_EXCEEDED(Category.LIMIT),
  /**
   * The key is missing, wrong or expired: HTTP 401, 407, 403 unless its error is about the request,
   * or an unusable credential.
   */
  UNAUTHORIZED(Category.CONFIGURATION),
  /**
   * Cloudflare Access wants a login: the service token is missing, wrong or expired. Also any HTTP
   * 403 with an HTML page.
   */
  ACCESS_DENIED(Category.CONFIGURATION),
  /** A bot check or a ban in front of the server, which no client of an API can pass. */
  BOT_CHALLENGE(Category.CONFIGURATION),
  /** HTTP 403 with an empty body: Ollama does not accept the {@code Host} header. */
  HOST_REJECTED(Category.CONFIGURATION),
  /** A redirect, which is never followed. */
  REDIRECTED(Category.CONFIGURATION),
  /** The server is well but does not have the model. */
  MODEL_NOT_FOUND(Category.CONFIGURATION),
  /**
   * The server knows no such path: HTTP 404 without an error in JSON or with one about a path, or
   * 405.
   */
  PATH_NOT_FOUND(Category.CONFIGURATION),
  /** The server rejects an option fixed on the endpoint. */
  OPTION_REJECTED(Category.CONFIGURATION),
  /** The request itself is at fault: any other HTTP 4xx, or words to that effect anywhere. */
  BAD_REQUEST(Category.REQUEST),
  /** The conversation, or the conversation with its answer, is longer than the context. */
  CONTEXT_OVERFLOW(Category.REQUEST),
  /** The token limit was spent on thinking, so that no answer was left. */
  THINKING_ONLY(Category.ANSWER),
  /** The in-process function threw, or returned null or blank. */
  FUNCTION_FAILED(Category.CLIENT),
  /** Not asked: the request is for self-hosted endpoints only, and this one is managed. */
  NOT_PERMITTED(Category.CLIENT),
  /** Not asked: the endpoint is known to be down, loads its model, or is on trial with another. */
  CIRCUIT_OPEN(Category.LIMIT),
  /**
   * The deadline passed: before the endpoint was asked, or, if that left it less than half of the
   * limit, before its answer was complete.
   */
  DEADLINE_EXCEEDED(Category.CLIENT),
  /**
   * Stopped by the caller: a cancelled future, an interrupt, a closed stream or client. With
   * hedging also the attempt that came second.
   */
  CANCELLED(Category.CLIENT),
  /** A fault of the library, or of an interceptor of the application's own. */
  INTERNAL(Category.CLIENT);

  /** Which part of the way of a call failed: coarse enough for a metric or an alert. */
  public enum Category {
    /** The endpoint could not be reached, or the connection to it broke. */
    CONNECTION,
    /** A time limit passed before the answer was there. */
    TIMEOUT,
    /** The server answered that it failed, or its model does not work. */
    SERVER,
    /** A reply came which is no answer, not a whole one, or not an acceptable one. */
    ANSWER,
    /** A limit of the server or of this client leaves no room for the request now. */
    LIMIT,
    /** The endpoint's settings are wrong: they require operator action. */
    CONFIGURATION,
    /** The request itself is at fault. */
    REQUEST,
    /** The cause lies in this process: its deadline, its own code, or its caller's wish. */
    CLIENT
  }

  private final Category category;

  FailureKind(Category category) {
    this.category = category;
  }

  /** Which part of the way of a call failed. */
  public Category category() {
    return category;
  }

  /** A link to the section of {@code docs/troubleshooting.md} that tells what to do about it. */
  public String link() {
    return AllEndpointsFailedException.GUIDE + anchor();
  }

  /** The anchor in {@code docs/troubleshooting.md} that tells what to do about it. */
  public String anchor() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }
}
