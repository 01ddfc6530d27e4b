// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import static dev.offmeter.FailureKind.*;

import dev.offmeter.FailureKind;
import java.util.EnumMap;
import java.util.Map;

/** The one table that decides what a failure means. {@code docs/failover.md} prints it. */
final class Judgement {
  /** What becomes of the call. */
  enum Next {
    /** The next endpoint is asked. */
    NEXT_ENDPOINT,
    /** The same endpoint is asked again if it has retries left, else the next one. */
    RETRY_OR_NEXT_ENDPOINT,
    /** The call ends. */
    STOP
  }

  /** What becomes of the endpoint. */
  enum Health {
    /** It says nothing of the endpoint's health. */
    UNTOUCHED,
    /** One of the failures that take the endpoint down when they come in a row. */
    COUNTS,
    /** Evidence of absence: down at once. */
    TRIPS,
    /** Left alone while its model is loaded in the background. */
    WARMS,
    /** Left alone for as long as it asks. */
    COOLS_DOWN,
    /** Left alone until a person has mended it. */
    SET_ASIDE
  }

  /** One row of the table. */
  record Verdict(Next next, Health health) {}

  private static final Map<FailureKind, Verdict> TABLE = new EnumMap<>(FailureKind.class);

  static {
    row(Next.NEXT_ENDPOINT, Health.TRIPS)
        .of(CONNECTION_REFUSED, UNKNOWN_HOST, TLS_FAILED, CONNECT_TIMEOUT, TUNNEL_DOWN)
        .of(UNRESPONSIVE);
    row(Next.NEXT_ENDPOINT, Health.WARMS).of(MODEL_COLD);
    row(Next.RETRY_OR_NEXT_ENDPOINT, Health.COUNTS)
        .of(ORIGIN_UNREACHABLE, SERVER_ERROR, CONNECTION_LOST, TRUNCATED)
        .of(STREAM_ERROR, MISSING_END_MARKER, UNEXPECTED_RESPONSE, EMPTY_ANSWER);
    row(Next.NEXT_ENDPOINT, Health.COUNTS)
        .of(FIRST_TOKEN_TIMEOUT, STALLED, ATTEMPT_TIMEOUT, RESPONSE_TOO_LARGE, GATEWAY_TIMEOUT)
        .of(RUNAWAY, WEDGED);
    row(Next.RETRY_OR_NEXT_ENDPOINT, Health.COOLS_DOWN).of(RATE_LIMITED, SERVER_BUSY);
    row(Next.NEXT_ENDPOINT, Health.SET_ASIDE)
        .of(UNAUTHORIZED, ACCESS_DENIED, BOT_CHALLENGE, HOST_REJECTED, REDIRECTED)
        .of(MODEL_NOT_FOUND, PATH_NOT_FOUND, OPTION_REJECTED, QUOTA_EXCEEDED);
    row(Next.NEXT_ENDPOINT, Health.UNTOUCHED)
        .of(BAD_REQUEST, CONTEXT_OVERFLOW, THINKING_ONLY, TEXT_WITHDRAWN, FUNCTION_FAILED, INTERNAL)
        .of(OVERLOADED, DEADLINE_SHARE_EXCEEDED, BULKHEAD_FULL, CIRCUIT_OPEN, DEADLINE_EXCEEDED)
        .of(FORMAT_MISMATCH, MODEL_STOPPED, ANSWER_REJECTED, CLIENT_RATE_LIMITED, NOT_PERMITTED);
    row(Next.STOP, Health.UNTOUCHED).of(CANCELLED, CONTENT_FILTERED);
  }

  private Judgement() {}

  static Verdict of(FailureKind kind) {
    Verdict verdict = TABLE.get(kind);
    if (verdict == null) {
      throw new IllegalStateException("no row for " + kind);
    }
    return verdict;
  }

  private static Row row(Next next, Health health) {
    return new Row(new Verdict(next, health));
  }

  private record Row(Verdict verdict) {
    Row of(FailureKind... kinds) {
      for (FailureKind kind : kinds) {
        TABLE.put(kind, verdict);
      }
      return this;
    }
  }
}
