// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.endpoint.Limits;

/** What the pieces of all calls at one endpoint show of its life. Safe for use by many threads. */
final class Activity {
  private final long stall;
  private final long attempt;
  private volatile long lastPiece;
  private long waitedUntil;
  private long waitedInVain;

  Activity(Limits limits, long now) {
    this.stall = limits.stall().toNanos();
    this.attempt = limits.attempt().toNanos();
    this.lastPiece = now - stall;
    this.waitedUntil = lastPiece;
  }

  /** Some call has got a piece of its answer. */
  void piece(long now) {
    lastPiece = now;
  }

  /**
   * Whether a call other than the one whose last piece came at {@code own} is being served: it has
   * had a piece since, and within half the stall limit. Streams that die together end within
   * moments of each other, and the last of them is no evidence of life.
   */
  boolean servesOthers(long now, long own) {
    long seen = lastPiece;
    return seen - own > 0 && now - seen < stall / 2;
  }

  /**
   * A call has waited here from {@code since} to {@code now} and had too little time to judge by
   * itself. Such waits add up until some call gets a piece; waits at the same time count once.
   *
   * @return whether they have come to a whole attempt's limit
   */
  synchronized boolean isMute(long since, long now) {
    long heard = lastPiece;
    if (heard - waitedUntil >= 0) {
      waitedInVain = 0;
      waitedUntil = heard;
    }
    long from = waitedUntil - since > 0 ? waitedUntil : since;
    if (now - from > 0) {
      waitedInVain += now - from;
      waitedUntil = now;
    }
    return waitedInVain >= attempt;
  }
}
