// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import java.time.Duration;

/**
 * Decides when the limit of an overloaded server is raised by one as an experiment, because only an
 * attempt shows whether one more call would be served: not in the first minute, and after a failed
 * experiment not for a minute, then two, then four and so on. Guarded by the lock of its user.
 */
final class LimitIncreasePolicy {
  private static final long PAUSE = Duration.ofMinutes(1).toNanos();

  private static final int MOST_DOUBLINGS = 6;

  // Guarded by the lock of the AdaptiveConcurrencyLimit that holds it.

  private long notBefore;
  private int failedTries;
  private boolean tried;

  /** Begins an episode: the server has just been found overloaded. */
  void start(long now) {
    notBefore = now + PAUSE;
    failedTries = 0;
    tried = false;
  }

  boolean isDue(long now) {
    return now - notBefore >= 0;
  }

  /** Records an increase. An earlier one counts as a success then. */
  void onTried() {
    failedTries = tried ? 0 : failedTries;
    tried = true;
  }

  /** Records that the increase was too much. */
  void onOverloaded(long now) {
    notBefore = now + (PAUSE << Math.min(failedTries, MOST_DOUBLINGS));
    failedTries += tried ? 1 : 0;
    tried = false;
  }
}
