// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import java.util.Locale;

/**
 * What went wrong in one attempt. What follows from each, for the call and for the endpoint's
 * health, is decided in one table, printed in {@code docs/failover.md}.
 */
public enum FailureKind {
  /** Nothing listens at the address, or no route leads to it. */
  CONNECTION_REFUSED,
  /** The host name did not resolve. */
  HOST_UNKNOWN,
  /** The TLS handshake failed: a certificate, a host name, a protocol version. */
  TLS_FAILED,
  /** No connection within the connect timeout, which covers DNS, TCP and TLS. */
  CONNECT_TIMEOUT,
  /**
   * A tunnel's gateway answers, but no tunnel is connected: Cloudflare's HTTP 530, ngrok's 3200.
   */
  TUNNEL_DOWN,
  /**
   * A proxy or tunnel answers, but cannot reach the server behind it: HTTP 502, 520 to 523, 525,
   * 526.
   */
  ORIGIN_UNREACHABLE,
  /** A proxy or tunnel gave up waiting for the server: HTTP 504, 524, 408. */
  GATEWAY_TIMEOUT,
  /** Any other HTTP 5xx, and 424. */
  SERVER_ERROR,
  /** The connection closed or was reset before the answer began. */
  CONNECTION_LOST,
  /** The connection or the text ended in the middle of an answer. */
  ANSWER_CUT,
  /** HTTP 200, then an error inside the answer. */
  STREAM_ERROR,
  /** The answer ended in good order but without its end marker. */
  INCOMPLETE,
  /**
   * HTTP 200 with something that is no answer: an HTML page, broken JSON, a status report. Also any
   * other 2xx.
   */
  NOT_AN_ANSWER,
  /** A complete reply with no text in it, to a prompt that is not long and without tools. */
  EMPTY_ANSWER,
  /** The answer does not fit the schema that was asked for. */
  FORMAT_MISMATCH,
  /**
   * The model gave up for a reason that lies in what it was asked, such as a recitation, or for one
   * that is not known, or wrote a call of a tool that cannot be read.
   */
  MODEL_STOPPED,
  /** A caller's own check of the answer, {@link ChatRequest.Builder#accept}, turned it down. */
  ANSWER_REJECTED,
  /** The server's content filter, or the model itself, refuses: an explicit refusal. */
  CONTENT_FILTERED,
  /**
   * A line, an answer or one value in it beyond the size that the endpoint may send, headers and
   * framing without end, or no room for the answer in the share of the heap that all replies of a
   * process have.
   */
  TOO_LARGE,
  /** The server goes on long after the request's {@code maxTokens}: no end is to be expected. */
  RUNAWAY,
  /**
   * Silent for a third of the first-token timeout, at most 5 s, and dead to the health check that
   * was sent for that reason: refused, reset, without a reply in 2 s, or not reached by its proxy.
   * In the middle of an answer too.
   */
  UNRESPONSIVE,
  /** The model is not in memory, and loading it takes longer than the call could wait. */
  MODEL_COLD,
  /**
   * Two calls in a row got no byte from a self-hosted server that answers its health checks, has
   * the model in memory and serves nobody else: the model hangs. A call that tries it meanwhile and
   * gets no byte either ends so too.
   */
  WEDGED,
  /** No first piece of answer or thinking within the first-token timeout. */
  FIRST_TOKEN_TIMEOUT,
  /**
   * The answer had begun, then nothing came for the stall timeout, or less than the minimum rate.
   */
  STALLED,
  /**
   * No complete answer within the attempt's limit, or within its share of the deadline if that is
   * at least half of the limit, or if calls have waited here in vain for twice the limit in all.
   */
  ATTEMPT_TIMEOUT,
  /**
   * No complete answer within a share of the deadline that is less than half of the limit, while
   * others had a share left, or of a stream within the stream timeout.
   */
  SHARE_SPENT,
  /** A clock ran out while other calls on the same endpoint were making progress: a queue. */
  OVERLOADED,
  /** What was shown of a stream as text turned out to be thinking. */
  TEXT_WITHDRAWN,
  /** The server asks for fewer requests: HTTP 429, Cloudflare error 1015. */
  RATE_LIMITED,
  /**
   * The server is busy or still loading: HTTP 503 with words to that effect or a {@code
   * Retry-After}, 429 with words about overload, 425, 529.
   */
  SERVER_BUSY,
  /**
   * The endpoint's own {@code maxConcurrent} is reached, or while it is overloaded the number of
   * calls that it was seen to serve; the server was not asked.
   */
  GATE_FULL,
  /** The endpoint's own {@code requestsPerMinute} are used up; the server was not asked. */
  RATE_SPENT,
  /** The account has no money or no quota left: HTTP 402, or words to that effect anywhere. */
  QUOTA_SPENT,
  /**
   * The key is missing, wrong or expired: HTTP 401, 407, 403 unless its error is about the request,
   * or an unusable credential.
   */
  UNAUTHORIZED,
  /**
   * Cloudflare Access wants a login: the service token is missing, wrong or expired. Also any HTTP
   * 403 with an HTML page.
   */
  ACCESS_DENIED,
  /** A bot check or a ban in front of the server, which no client of an API can pass. */
  CHALLENGED,
  /** HTTP 403 with an empty body: Ollama does not accept the {@code Host} header. */
  HOST_REJECTED,
  /** A redirect, which is never followed. */
  REDIRECTED,
  /** The server is well but does not have the model. */
  MODEL_MISSING,
  /**
   * The server knows no such path: HTTP 404 without an error in JSON or with one about a path, or
   * 405.
   */
  WRONG_PATH,
  /** The server rejects an option fixed on the endpoint. */
  OPTION_REJECTED,
  /** The request itself is at fault: any other HTTP 4xx, or words to that effect anywhere. */
  BAD_REQUEST,
  /** The conversation, or the conversation with its answer, is longer than the context. */
  CONTEXT_OVERFLOW,
  /** The token limit was spent on thinking, so that no answer was left. */
  THINKING_ONLY,
  /** The in-process function threw, or returned null or blank. */
  LOCAL_FAILED,
  /** Not asked: the request is for self-hosted endpoints only, and this one is managed. */
  NOT_PERMITTED,
  /** Not asked: the endpoint is known to be down, loads its model, or is on trial with another. */
  CIRCUIT_OPEN,
  /**
   * The deadline passed: before the endpoint was asked, or, if that left it less than half of the
   * limit, before its answer was complete.
   */
  OUT_OF_TIME,
  /**
   * Stopped by the caller: a cancelled future, an interrupt, a closed stream or client. With
   * hedging also the attempt that came second.
   */
  CANCELLED,
  /** A fault of the library, or of an interceptor of the application's own. */
  INTERNAL;

  /** A link to the section of {@code docs/troubleshooting.md} that tells what to do about it. */
  public String link() {
    return AllEndpointsFailedException.GUIDE + anchor();
  }

  /** The anchor in {@code docs/troubleshooting.md} that tells what to do about it. */
  public String anchor() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }
}
