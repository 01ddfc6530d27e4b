// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import java.time.Duration;
import java.util.concurrent.Executor;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Decides when a call may ask a second endpoint while the first is still silent. Safe for use by
 * many threads.
 */
public final class HedgingPolicy {
  /**
   * The most hedged calls that may be saved up by calls that needed none, so that an incident after
   * a quiet day starts a burst of ten at most.
   */
  private static final double MAX_BUDGET = 10;

  private final long delay;
  private final double maxShare;
  private final Executor workers;
  private final ReentrantLock lock = new ReentrantLock();

  /** The number of calls that may be hedged now. Guarded by the lock. */
  private double budget = 1;

  /**
   * Creates a policy.
   *
   * @param delay how long the first endpoint must be silent
   * @param maxShare the largest share of all calls that is hedged, from 0 to 1
   */
  public HedgingPolicy(Duration delay, double maxShare, Executor workers) {
    this.delay = delay.toNanos();
    this.maxShare = maxShare;
    this.workers = workers;
  }

  /** Returns the nanoseconds of silence before a call is hedged. */
  long delay() {
    return delay;
  }

  Executor workers() {
    return workers;
  }

  /** Adds a call's part to the budget. */
  void addBudget() {
    lock.lock();
    try {
      budget = Math.min(MAX_BUDGET, budget + maxShare);
    } finally {
      lock.unlock();
    }
  }

  /** Takes one hedged call from the budget; returns false if there is none. */
  boolean trySpend() {
    lock.lock();
    try {
      if (budget < 1) {
        return false;
      }
      budget -= 1;
      return true;
    } finally {
      lock.unlock();
    }
  }
}
