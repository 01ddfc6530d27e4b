// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import java.time.Duration;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.locks.ReentrantLock;

/**
 * When a call may ask a second endpoint while the first is still silent. Safe for use by many
 * threads.
 */
public final class Hedging {
  /** Saved up by calls that needed no second endpoint; more than a burst of it is not kept. */
  private static final double MOST_SAVED = 10;

  private static final String CLOSED = "the client was closed";

  private final long after;
  private final double share;
  private final Executor workers;
  private final ReentrantLock lock = new ReentrantLock();
  private final Set<Cancellation> trials = ConcurrentHashMap.newKeySet();
  private double saved = 1;
  private volatile boolean closed;

  /**
   * Hedging.
   *
   * @param after how long the first endpoint is silent
   * @param share the most of all calls that are hedged, from 0 to 1
   */
  public Hedging(Duration after, double share, Executor workers) {
    this.after = after.toNanos();
    this.share = share;
    this.workers = workers;
  }

  /** Nanoseconds of silence. */
  long after() {
    return after;
  }

  Executor workers() {
    return workers;
  }

  /** A call begins. */
  void earn() {
    lock.lock();
    try {
      saved = Math.min(MOST_SAVED, saved + share);
    } finally {
      lock.unlock();
    }
  }

  /** Whether one more call may be hedged, which is then used up. */
  boolean spend() {
    lock.lock();
    try {
      if (saved < 1) {
        return false;
      }
      saved -= 1;
      return true;
    } finally {
      lock.unlock();
    }
  }

  /** A trial may outlive its call. */
  void begins(Cancellation trial) {
    trials.add(trial);
    if (closed) {
      trial.cancel(CLOSED);
    }
  }

  void ends(Cancellation trial) {
    trials.remove(trial);
  }

  /** Ends the trials that are left. */
  void close() {
    closed = true;
    trials.forEach(trial -> trial.cancel(CLOSED));
  }
}
