// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import java.time.Duration;

/**
 * When one more call at a time is tried at a server that was overloaded, where nothing but a trial
 * shows whether it would be served: not in the first minute, and after one that was too many not
 * for a minute, then two, then four and so on. Guarded by the lock of its user.
 */
final class LimitIncreasePolicy {
  private static final long PAUSE = Duration.ofMinutes(1).toNanos();

  private static final int MOST_DOUBLINGS = 6;

  private long notBefore;
  private int failedTries;
  private boolean tried;

  /** The server has just been found overloaded for the first time. */
  void start(long now) {
    notBefore = now + PAUSE;
    failedTries = 0;
    tried = false;
  }

  boolean isDue(long now) {
    return now - notBefore >= 0;
  }

  /** One more is tried. If there was another before, that one was served. */
  void onTried() {
    failedTries = tried ? 0 : failedTries;
    tried = true;
  }

  /** It was too many. */
  void onOverloaded(long now) {
    notBefore = now + (PAUSE << Math.min(failedTries, MOST_DOUBLINGS));
    failedTries += tried ? 1 : 0;
    tried = false;
  }
}
