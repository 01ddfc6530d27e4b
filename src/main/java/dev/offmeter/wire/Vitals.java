// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import com.fasterxml.jackson.databind.JsonNode;
import dev.offmeter.FailureKind;
import java.util.EnumSet;
import java.util.Set;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * What a check found out.
 *
 * @param sign in one word
 * @param failure what went wrong; null if it is well, unless all that is wrong is that the model is
 *     not in its list or is there with another context, which need not be so
 */
public record Vitals(Sign sign, @Nullable Failure failure) {
  /** How a server is. */
  public enum Sign {
    /** The server answers, and would answer a call. */
    READY,
    /** The server answers, but would have to load the model first. */
    COLD,
    /** The server answers that it is not ready: it is loading, or its engine is dead. */
    NOT_READY,
    /** Nobody answers, or a proxy that cannot reach it. */
    DEAD,
    /** It wants a key, or a login; of its health that says nothing. */
    REFUSED,
    /**
     * The server answers with HTTP 200 and JSON that is not known: a server, and perhaps another
     * make.
     */
    FOREIGN,
    /** It has no such check, or the answer came from somebody else or was cut too soon. */
    UNKNOWN
  }

  /** All is well. */
  public static final Vitals READY = new Vitals(Sign.READY, null);

  private static final Set<FailureKind> UNREACHED =
      EnumSet.of(
          FailureKind.TUNNEL_DOWN, FailureKind.ORIGIN_UNREACHABLE, FailureKind.GATEWAY_TIMEOUT);
  private static final Set<FailureKind> UNREADY =
      EnumSet.of(FailureKind.SERVER_BUSY, FailureKind.SERVER_ERROR);
  private static final Set<FailureKind> UNWANTED =
      EnumSet.of(
          FailureKind.UNAUTHORIZED,
          FailureKind.ACCESS_DENIED,
          FailureKind.BOT_CHALLENGE,
          FailureKind.HOST_REJECTED,
          FailureKind.REDIRECTED);

  /** Not well, for this reason. */
  public static Vitals of(Sign sign, Failure failure) {
    return new Vitals(sign, failure);
  }

  /** The server was not reached, unless it is a proxy on the way that wants a login. */
  public static Vitals withoutReply(Failure failure) {
    return new Vitals(UNWANTED.contains(failure.kind()) ? Sign.REFUSED : Sign.DEAD, failure);
  }

  /**
   * What a reply says.
   *
   * @param own whether the body of an HTTP 200 is the server's own, and not a login page's
   */
  static Vitals of(Reply reply, Predicate<String> own) {
    if (reply.status() == 200) {
      Failure other = Failure.of(FailureKind.UNEXPECTED_RESPONSE, "a reply of somebody else's");
      Sign sign = isObject(reply.body()) ? Sign.FOREIGN : Sign.UNKNOWN;
      return own.test(reply.body()) ? READY : of(sign, other.withStatus(200));
    }
    return ofError(Refusals.of(reply));
  }

  /** What an error says. */
  static Vitals ofError(Failure failure) {
    return of(sign(failure.kind()), failure);
  }

  /** LM Studio answers any path it does not know with HTTP 200 and an error. */
  private static boolean isObject(String body) {
    JsonNode tree = Json.tree(body);
    return tree.isObject() && !tree.has("error");
  }

  private static Sign sign(FailureKind kind) {
    if (UNREACHED.contains(kind)) {
      return Sign.DEAD;
    }
    if (UNREADY.contains(kind)) {
      return Sign.NOT_READY;
    }
    return UNWANTED.contains(kind) ? Sign.REFUSED : Sign.UNKNOWN;
  }
}
