// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import static dev.offmeter.FailureKind.*;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.circuit.HealthEffect;
import java.util.EnumMap;
import java.util.Map;

/**
 * Decides what each kind of failure means, for the call and for the endpoint's health, in one
 * table. {@code docs/failure-kinds.md} is generated from it.
 */
final class FailurePolicy {
  /** The next step of the call. */
  enum CallAction {
    /** Ask the next endpoint. */
    NEXT_ENDPOINT,
    /** Ask the same endpoint again if it has retries left, else the next one. */
    RETRY_OR_NEXT_ENDPOINT,
    /** End the call. */
    STOP
  }

  /** One row of the table. */
  record Verdict(CallAction action, HealthEffect effect) {}

  private static final Map<FailureKind, Verdict> TABLE = new EnumMap<>(FailureKind.class);

  static {
    row(CallAction.NEXT_ENDPOINT, HealthEffect.OPEN)
        .of(CONNECTION_REFUSED, UNKNOWN_HOST, TLS_FAILED, CONNECT_TIMEOUT, TUNNEL_DOWN)
        .of(UNRESPONSIVE);
    row(CallAction.NEXT_ENDPOINT, HealthEffect.LOAD_MODEL).of(MODEL_COLD);
    row(CallAction.RETRY_OR_NEXT_ENDPOINT, HealthEffect.COUNT_FAILURE)
        .of(ORIGIN_UNREACHABLE, SERVER_ERROR, CONNECTION_LOST, TRUNCATED)
        .of(STREAM_ERROR, MISSING_END_MARKER, UNEXPECTED_RESPONSE, EMPTY_ANSWER);
    row(CallAction.NEXT_ENDPOINT, HealthEffect.COUNT_FAILURE)
        .of(FIRST_TOKEN_TIMEOUT, STALLED, ATTEMPT_TIMEOUT, RESPONSE_TOO_LARGE, GATEWAY_TIMEOUT)
        .of(RUNAWAY, WEDGED);
    row(CallAction.RETRY_OR_NEXT_ENDPOINT, HealthEffect.COOL_DOWN).of(RATE_LIMITED, SERVER_BUSY);
    row(CallAction.NEXT_ENDPOINT, HealthEffect.OPEN_UNTIL_REPAIRED)
        .of(UNAUTHORIZED, ACCESS_DENIED, BOT_CHALLENGE, HOST_REJECTED, REDIRECTED)
        .of(MODEL_NOT_FOUND, PATH_NOT_FOUND, OPTION_REJECTED, QUOTA_EXCEEDED);
    row(CallAction.NEXT_ENDPOINT, HealthEffect.NONE)
        .of(BAD_REQUEST, CONTEXT_OVERFLOW, THINKING_ONLY, TEXT_WITHDRAWN, FUNCTION_FAILED, INTERNAL)
        .of(OVERLOADED, DEADLINE_SHARE_EXCEEDED, BULKHEAD_FULL, CIRCUIT_OPEN, DEADLINE_EXCEEDED)
        .of(FORMAT_MISMATCH, MODEL_STOPPED, ANSWER_REJECTED, CLIENT_RATE_LIMITED, NOT_PERMITTED)
        .of(NOT_CAPABLE, BUDGET_EXCEEDED);
    row(CallAction.STOP, HealthEffect.NONE).of(CANCELLED, CONTENT_FILTERED);
  }

  private FailurePolicy() {}

  static Verdict of(FailureKind kind) {
    Verdict verdict = TABLE.get(kind);
    if (verdict == null) {
      throw new IllegalStateException("no row for " + kind);
    }
    return verdict;
  }

  private static Row row(CallAction next, HealthEffect health) {
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
