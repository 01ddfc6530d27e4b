// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import java.util.List;

/**
 * What one endpoint may use of a call's time: all that is left but for what is kept back for the
 * endpoints still to come. That is settled before the call waits for anything here, so that a queue
 * or a pause is taken from this endpoint's time and from no other's.
 */
final class Share {
  private final Deadline deadline;
  private final long kept;
  private final long least;

  private Share(Deadline deadline, long kept, long least) {
    this.deadline = deadline;
    this.kept = kept;
    this.least = least;
  }

  /**
   * The share of an endpoint in its turn. If nobody has set a deadline it is never less than the
   * endpoint's own limit, even if a listener has taken its time.
   */
  static Share of(Gate gate, Deadline deadline, List<Gate> stillToCome) {
    return deadline.isSet()
        ? new Share(deadline, deadline.equalShares(stillToCome), 0)
        : new Share(
            deadline, Deadline.needs(stillToCome), gate.spec().limits().attempt().toNanos());
  }

  /**
   * The share of one that was waited for when nobody else was left: of the deadline, set or not.
   */
  static Share ofLast(Deadline deadline, List<Gate> others) {
    return new Share(deadline, deadline.equalShares(others), 0);
  }

  /** Nanoseconds that an attempt may take now. */
  long left() {
    return Math.max(deadline.left() - kept, least);
  }

  /** Nanoseconds that may be waited before a further attempt, which needs its limit after them. */
  long leftToWait() {
    return deadline.left() - kept - least;
  }
}
