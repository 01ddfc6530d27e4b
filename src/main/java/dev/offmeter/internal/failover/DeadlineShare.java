// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import java.time.Duration;
import java.util.List;

/**
 * The part of a call's time that one endpoint may use: all that is left except what is kept back
 * for the endpoints still to come. It is fixed before the call waits for anything here, so that a
 * queue or a back-off takes from this endpoint's time and from no other's.
 */
final class DeadlineShare {
  /** The shortest time in which a server can be expected to send a first token. */
  private static final long MIN_USEFUL = Duration.ofMillis(100).toNanos();

  private final Deadline deadline;
  private final long reserved;
  private final long minimum;
  private final long minUseful;

  private DeadlineShare(GuardedEndpoint endpoint, Deadline deadline, long reserved, long minimum) {
    this.deadline = deadline;
    this.reserved = reserved;
    this.minimum = minimum;
    long limit = endpoint.config().timeouts().attempt().toNanos();
    long little = Math.min(MIN_USEFUL, Math.min(limit, deadline.total() / 4));
    this.minUseful = endpoint.config().isLocal() ? 1 : Math.max(1, little);
  }

  /**
   * Returns the share of an endpoint in its turn. If the caller has set no deadline, it is never
   * less than the endpoint's own timeout, even if a listener has taken long.
   */
  static DeadlineShare of(
      GuardedEndpoint endpoint, Deadline deadline, List<GuardedEndpoint> stillToCome) {
    return deadline.isSet()
        ? new DeadlineShare(endpoint, deadline, deadline.equalShares(stillToCome), 0)
        : new DeadlineShare(
            endpoint,
            deadline,
            Deadline.requiredNanos(stillToCome),
            endpoint.config().timeouts().attempt().toNanos());
  }

  /**
   * Returns the share of an endpoint that the call waited for when no other was left: all of the
   * deadline, set or not.
   */
  static DeadlineShare ofLast(
      GuardedEndpoint endpoint, Deadline deadline, List<GuardedEndpoint> others) {
    return new DeadlineShare(endpoint, deadline, deadline.equalShares(others), 0);
  }

  /** Returns the nanoseconds that an attempt may take now. */
  long remaining() {
    return Math.max(deadline.remaining() - reserved, minimum);
  }

  /**
   * Returns whether the share is too small to send a request: less than 100 ms, than the endpoint's
   * own timeout, and than a quarter of the whole deadline. A function is asked as long as any time
   * is left.
   */
  boolean isTooSmall() {
    return remaining() < minUseful;
  }

  /**
   * Returns the nanoseconds that may be waited before a further attempt, so that it keeps its
   * timeout.
   */
  long remainingToWait() {
    return deadline.remaining() - reserved - Math.max(minimum, minUseful);
  }
}
