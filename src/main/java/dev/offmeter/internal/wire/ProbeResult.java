// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import com.fasterxml.jackson.databind.JsonNode;
import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.json.Json;
import java.util.EnumSet;
import java.util.Set;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * What a check found out.
 *
 * @param status in one word
 * @param failure what went wrong; null if it is well, unless all that is wrong is that the model is
 *     not in its list or is there with another context, which need not be so
 */
public record ProbeResult(Status status, @Nullable AttemptException failure) {
  /** How a server is. */
  public enum Status {
    /** The server answers, and would answer a call. */
    READY,
    /** The server answers, but would have to load the model first. */
    MODEL_NOT_LOADED,
    /** The server answers that it is not ready: it is loading, or its engine is dead. */
    NOT_READY,
    /** Nobody answers, or a proxy that cannot reach it. */
    UNREACHABLE,
    /** It wants a key, or a login; of its health that says nothing. */
    UNAUTHORIZED,
    /**
     * The server answers with HTTP 200 and JSON that is not known: a server, and perhaps another
     * make.
     */
    UNRECOGNIZED,
    /** It has no such check, or the answer came from somebody else or was cut too soon. */
    UNKNOWN
  }

  /** All is well. */
  public static final ProbeResult READY = new ProbeResult(Status.READY, null);

  private static final Set<FailureKind> UNREACHABLE_KINDS =
      EnumSet.of(
          FailureKind.TUNNEL_DOWN, FailureKind.ORIGIN_UNREACHABLE, FailureKind.GATEWAY_TIMEOUT);
  private static final Set<FailureKind> NOT_READY_KINDS =
      EnumSet.of(FailureKind.SERVER_BUSY, FailureKind.SERVER_ERROR);
  private static final Set<FailureKind> UNAUTHORIZED_KINDS =
      EnumSet.of(
          FailureKind.UNAUTHORIZED,
          FailureKind.ACCESS_DENIED,
          FailureKind.BOT_CHALLENGE,
          FailureKind.HOST_REJECTED,
          FailureKind.REDIRECTED);

  /** Not well, for this reason. */
  public static ProbeResult of(Status status, AttemptException failure) {
    return new ProbeResult(status, failure);
  }

  /** The server was not reached, unless it is a proxy on the way that wants a login. */
  public static ProbeResult withoutReply(AttemptException failure) {
    return new ProbeResult(
        UNAUTHORIZED_KINDS.contains(failure.kind()) ? Status.UNAUTHORIZED : Status.UNREACHABLE,
        failure);
  }

  /**
   * What a reply says.
   *
   * @param own whether the body of an HTTP 200 is the server's own, and not a login page's
   */
  public static ProbeResult of(ErrorResponse reply, Predicate<String> own) {
    if (reply.status() == 200) {
      AttemptException other =
          AttemptException.of(FailureKind.UNEXPECTED_RESPONSE, "a reply of somebody else's");
      Status status = isObject(reply.body()) ? Status.UNRECOGNIZED : Status.UNKNOWN;
      return own.test(reply.body()) ? READY : of(status, other.withStatus(200));
    }
    return ofError(HttpErrorClassifier.of(reply));
  }

  /** What an error says. */
  public static ProbeResult ofError(AttemptException failure) {
    return of(status(failure.kind()), failure);
  }

  /** LM Studio answers any path it does not know with HTTP 200 and an error. */
  private static boolean isObject(String body) {
    JsonNode tree = Json.tree(body);
    return tree.isObject() && !tree.has("error");
  }

  private static Status status(FailureKind kind) {
    if (UNREACHABLE_KINDS.contains(kind)) {
      return Status.UNREACHABLE;
    }
    if (NOT_READY_KINDS.contains(kind)) {
      return Status.NOT_READY;
    }
    return UNAUTHORIZED_KINDS.contains(kind) ? Status.UNAUTHORIZED : Status.UNKNOWN;
  }
}
