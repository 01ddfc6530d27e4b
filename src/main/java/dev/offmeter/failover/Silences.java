// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.FailureKind;
import dev.offmeter.wire.Failure;
import java.time.Duration;

/**
 * What a server's silence towards a health check is worth. One silent look is enough, until it has
 * been wrong: a server that is well again within moments was not dead, but too busy to say so, and
 * from then on it takes more of them in a row, and in the end more than fit into a call's limit: a
 * server that answers no check while it works must be of use too. A long outage makes it one again.
 * Safe for use by many threads.
 */
final class Silences {
  /** No machine that was dead is back within this time. */
  private static final long MOMENTS = Duration.ofSeconds(15).toNanos();

  private int needed = 1;
  private int inARow;
  private long lastAt;
  private boolean dead;
  private long deadSince;
  private final Activity activity;

  Silences(Activity activity) {
    this.activity = activity;
  }

  /** Whether nothing was heard, where a refusal or a reset would be somebody's word. */
  static boolean isSilent(Failure failure) {
    return failure.kind() == FailureKind.UNRESPONSIVE
        || failure.kind() == FailureKind.CONNECT_TIMEOUT;
  }

  /**
   * One more silent look.
   *
   * @return whether they are enough
   */
  synchronized boolean areEnough(long now) {
    if (activity.hasServedSince(lastAt)) {
      // It was silent, and yet it lived.
      inARow = 0;
    }
    lastAt = now;
    inARow++;
    boolean enough = inARow >= needed;
    if (enough && !dead) {
      dead = true;
      deadSince = now;
    }
    return enough;
  }

  /** A look finds it well. */
  synchronized void wellAgain(long now) {
    if (dead) {
      boolean wrong = now - deadSince < MOMENTS;
      needed = wrong ? needed + 1 : 1;
    }
    dead = false;
    inARow = 0;
  }
}
