// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import dev.offmeter.internal.time.CancellationToken;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.locks.ReentrantLock;

/**
 * When a call may ask a second endpoint while the first is still silent. Safe for use by many
 * threads.
 */
public final class HedgingPolicy {
  /** Saved up by calls that needed no second endpoint; more than a burst of it is not kept. */
  private static final double MAX_BUDGET = 10;

  private static final String CLOSED = "the client was closed";

  private final long delay;
  private final double maxShare;
  private final Executor workers;
  private final ReentrantLock lock = new ReentrantLock();
  private final Set<CancellationToken> trials = ConcurrentHashMap.newKeySet();
  private double budget = 1;
  private volatile boolean closed;

  /**
   * Hedging.
   *
   * @param delay how long the first endpoint is silent
   * @param maxShare the most of all calls that are hedged, from 0 to 1
   */
  public HedgingPolicy(Duration delay, double maxShare, Executor workers) {
    this.delay = delay.toNanos();
    this.maxShare = maxShare;
    this.workers = workers;
  }

  /** Nanoseconds of silence. */
  long delay() {
    return delay;
  }

  Executor workers() {
    return workers;
  }

  /** A call begins. */
  void addBudget() {
    lock.lock();
    try {
      budget = Math.min(MAX_BUDGET, budget + maxShare);
    } finally {
      lock.unlock();
    }
  }

  /** Returns whether one more call may be hedged, which is then used up. */
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

  /** A trial may outlive its call. */
  void onTrialStarted(CancellationToken trial) {
    trials.add(trial);
    if (closed) {
      trial.cancel(CLOSED);
    }
  }

  void onTrialEnded(CancellationToken trial) {
    trials.remove(trial);
  }

  /** Ends the trials that are left. */
  void close() {
    closed = true;
    trials.forEach(trial -> trial.cancel(CLOSED));
  }
}
