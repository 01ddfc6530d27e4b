// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.health;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import java.time.Duration;

/**
 * What a server's silence towards a health check is worth. One silent look is enough, until it has
 * been wrong: a server that is well again within moments was not dead, but too busy to say so, and
 * from then on it takes more of them in a row, and in the end more than fit into a call's limit: a
 * server that answers no check while it works must be of use too. A long outage makes it one again.
 * Safe for use by many threads.
 */
final class UnhealthyThreshold {
  /** No machine that was dead is back within this time. */
  private static final long FALSE_ALARM_WINDOW = Duration.ofSeconds(15).toNanos();

  private int threshold = 1;
  private int consecutive;
  private long lastSilenceAt;
  private boolean unhealthy;
  private long unhealthySince;
  private final EndpointActivity activity;

  UnhealthyThreshold(EndpointActivity activity) {
    this.activity = activity;
  }

  /** Returns whether nothing was heard, where a refusal or a reset would be somebody's word. */
  static boolean isSilent(AttemptException failure) {
    return failure.kind() == FailureKind.UNRESPONSIVE
        || failure.kind() == FailureKind.CONNECT_TIMEOUT;
  }

  /**
   * One more silent look.
   *
   * @return whether they are enough
   */
  synchronized boolean recordSilence(long now) {
    if (activity.hasServedSince(lastSilenceAt)) {
      // It was silent, and yet it lived.
      consecutive = 0;
    }
    lastSilenceAt = now;
    consecutive++;
    boolean enough = consecutive >= threshold;
    if (enough && !unhealthy) {
      unhealthy = true;
      unhealthySince = now;
    }
    return enough;
  }

  /** A look finds it well. */
  synchronized void onHealthy(long now) {
    if (unhealthy) {
      boolean wrong = now - unhealthySince < FALSE_ALARM_WINDOW;
      threshold = wrong ? threshold + 1 : 1;
    }
    unhealthy = false;
    consecutive = 0;
  }
}
