// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import java.time.Duration;
import java.util.List;

/**
 * What one endpoint may use of a call's time: all that is left but for what is kept back for the
 * endpoints still to come. That is settled before the call waits for anything here, so that a queue
 * or a pause is taken from this endpoint's time and from no other's.
 */
final class Share {
  /** In less than this hardly any server has its first token on the way. */
  private static final long SLIVER = Duration.ofMillis(100).toNanos();

  private final Deadline deadline;
  private final long kept;
  private final long least;
  private final long sliver;

  private Share(Gate gate, Deadline deadline, long kept, long least) {
    this.deadline = deadline;
    this.kept = kept;
    this.least = least;
    long limit = gate.spec().limits().attempt().toNanos();
    long little = Math.min(SLIVER, Math.min(limit, deadline.total() / 4));
    this.sliver = gate.spec().isLocal() ? 1 : Math.max(1, little);
  }

  /**
   * The share of an endpoint in its turn. If nobody has set a deadline it is never less than the
   * endpoint's own limit, even if a listener has taken its time.
   */
  static Share of(Gate gate, Deadline deadline, List<Gate> stillToCome) {
    return deadline.isSet()
        ? new Share(gate, deadline, deadline.equalShares(stillToCome), 0)
        : new Share(
            gate, deadline, Deadline.needs(stillToCome), gate.spec().limits().attempt().toNanos());
  }

  /**
   * The share of one that was waited for when nobody else was left: of the deadline, set or not.
   */
  static Share ofLast(Gate gate, Deadline deadline, List<Gate> others) {
    return new Share(gate, deadline, deadline.equalShares(others), 0);
  }

  /** Nanoseconds that an attempt may take now. */
  long left() {
    return Math.max(deadline.left() - kept, least);
  }

  /**
   * Whether that is too little to send a request for: less than 100 ms, than the endpoint's own
   * limit, and than a quarter of the whole deadline. A function is asked as long as there is any.
   */
  boolean isSliver() {
    return left() < sliver;
  }

  /** Nanoseconds that may be waited before a further attempt, which needs its limit after them. */
  long leftToWait() {
    return deadline.left() - kept - Math.max(least, sliver);
  }
}
