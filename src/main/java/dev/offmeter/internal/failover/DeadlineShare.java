// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import java.time.Duration;
import java.util.List;

/**
 * What one endpoint may use of a call's time: all that is left but for what is kept back for the
 * endpoints still to come. That is settled before the call waits for anything here, so that a queue
 * or a pause is taken from this endpoint's time and from no other's.
 */
final class DeadlineShare {
  /** In less than this hardly any server has its first token on the way. */
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
   * Returns the share of an endpoint in its turn. If nobody has set a deadline it is never less
   * than the endpoint's own limit, even if a listener has taken its time.
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
   * The share of one that was waited for when nobody else was left: of the deadline, set or not.
   */
  static DeadlineShare ofLast(
      GuardedEndpoint endpoint, Deadline deadline, List<GuardedEndpoint> others) {
    return new DeadlineShare(endpoint, deadline, deadline.equalShares(others), 0);
  }

  /** Nanoseconds that an attempt may take now. */
  long remaining() {
    return Math.max(deadline.remaining() - reserved, minimum);
  }

  /**
   * Returns whether that is too little to send a request for: less than 100 ms, than the endpoint's
   * own limit, and than a quarter of the whole deadline. A function is asked as long as there is
   * any.
   */
  boolean isTooSmall() {
    return remaining() < minUseful;
  }

  /** Nanoseconds that may be waited before a further attempt, which needs its limit after them. */
  long remainingToWait() {
    return deadline.remaining() - reserved - Math.max(minimum, minUseful);
  }
}
