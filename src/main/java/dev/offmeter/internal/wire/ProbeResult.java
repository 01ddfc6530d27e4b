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
 * Holds the result of a probe.
 *
 * @param status the result in one word
 * @param failure the failure; null for none. A model that is missing from the list, or loaded with
 *     another context, has a failure although it may well answer
 * @param traits what the server reports about its model
 */
public record ProbeResult(Status status, @Nullable AttemptException failure, ModelTraits traits) {
  /** The state of a server according to a probe. */
  public enum Status {
    /** The server answers, and would answer a call. */
    READY,
    /** The server answers, but would have to load the model first. */
    MODEL_NOT_LOADED,
    /** The server answers that it is not ready: it is loading, or its engine is dead. */
    NOT_READY,
    /** Nothing answers, or a proxy answers that it cannot reach the server. */
    UNREACHABLE,
    /** The server requires a key or a login, which says nothing about its health. */
    UNAUTHORIZED,
    /** The server answers HTTP 200 with unknown JSON, and may be of another make. */
    UNRECOGNIZED,
    /** The server has no such check, or the answer came from something else or was truncated. */
    UNKNOWN
  }

  /** The result of a server that is well. */
  public static final ProbeResult READY = new ProbeResult(Status.READY, null);

  /** Creates a result from which nothing about the model follows. */
  public ProbeResult(Status status, @Nullable AttemptException failure) {
    this(status, failure, ModelTraits.UNKNOWN);
  }

  /** Returns this result with what the server reports about its model. */
  public ProbeResult withTraits(ModelTraits reported) {
    return new ProbeResult(status, failure, reported);
  }

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

  /** Returns a result with a failure. */
  public static ProbeResult of(Status status, AttemptException failure) {
    return new ProbeResult(status, failure);
  }

  /** Returns that the server was not reached, unless a proxy on the way requires a login. */
  public static ProbeResult withoutReply(AttemptException failure) {
    return new ProbeResult(
        UNAUTHORIZED_KINDS.contains(failure.kind()) ? Status.UNAUTHORIZED : Status.UNREACHABLE,
        failure);
  }

  /**
   * Returns the result for a reply.
   *
   * @param own whether the body of an HTTP 200 is the server's own, and not a login page's
   */
  public static ProbeResult of(ErrorResponse reply, Predicate<String> own) {
    if (reply.status() == 200) {
      AttemptException other =
          AttemptException.of(FailureKind.UNEXPECTED_RESPONSE, "a reply that is not this server's");
      Status status = isObject(reply.body()) ? Status.UNRECOGNIZED : Status.UNKNOWN;
      return own.test(reply.body()) ? READY : of(status, other.withStatus(200));
    }
    return ofError(HttpErrorClassifier.of(reply));
  }

  /** Returns the result for an error. */
  public static ProbeResult ofError(AttemptException failure) {
    return of(status(failure.kind()), failure);
  }

  /**
   * Returns whether the body is a JSON object without an error: LM Studio answers unknown paths
   * with HTTP 200 and an error.
   */
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
