// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import java.time.Duration;

/**
 * When one more call at a time is tried at a server that was overloaded, where nothing but a trial
 * shows whether it would be served: not in the first minute, and after one that was too many not
 * for a minute, then two, then four and so on. Guarded by the lock of its user.
 */
final class OneMore {
  private static final long PAUSE = Duration.ofMinutes(1).toNanos();

  private static final int MOST_DOUBLINGS = 6;

  private long from;
  private int vain;
  private boolean tried;

  /** The server has just been found overloaded for the first time. */
  void begin(long now) {
    from = now + PAUSE;
    vain = 0;
    tried = false;
  }

  boolean isDue(long now) {
    return now - from >= 0;
  }

  /** One more is tried. If there was another before, that one was served. */
  void onTried() {
    vain = tried ? 0 : vain;
    tried = true;
  }

  /** It was too many. */
  void onOverloaded(long now) {
    from = now + (PAUSE << Math.min(vain, MOST_DOUBLINGS));
    vain += tried ? 1 : 0;
    tried = false;
  }
}
