// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.health;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import java.time.Duration;

/**
 * Decides how many silent health checks in a row make a server count as dead. One is enough until
 * it has been wrong: a server that is healthy again within moments was too busy to answer, and from
 * then on it takes more, in the end more than fit into a call's timeout, because a server that
 * answers no check while it works must be usable too. A long outage resets the number to one. Safe
 * for use by many threads.
 */
final class UnhealthyThreshold {
  /**
   * A silence that ends sooner than this was a busy server: no machine that was dead is back so
   * quickly.
   */
  private static final long FALSE_ALARM_WINDOW = Duration.ofSeconds(15).toNanos();

  private final EndpointActivity activity;

  // Guarded by this.
  private int threshold = 1;
  private int consecutive;
  private long lastSilenceAt;
  private boolean unhealthy;
  private long unhealthySince;

  UnhealthyThreshold(EndpointActivity activity) {
    this.activity = activity;
  }

  /**
   * Returns whether nothing was heard at all; a refused or reset connection is an answer of
   * somebody.
   */
  static boolean isSilent(AttemptException failure) {
    return failure.kind() == FailureKind.UNRESPONSIVE
        || failure.kind() == FailureKind.CONNECT_TIMEOUT;
  }

  /**
   * Counts a silent health check.
   *
   * @return whether the threshold is reached
   */
  synchronized boolean recordSilence(long now) {
    if (activity.hasServedSince(lastSilenceAt)) {
      // The server was silent, but alive, so the silences before do not count.
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

  /** Records that a health check has passed. */
  synchronized void onHealthy(long now) {
    if (unhealthy) {
      boolean wrong = now - unhealthySince < FALSE_ALARM_WINDOW;
      threshold = wrong ? threshold + 1 : 1;
    }
    unhealthy = false;
    consecutive = 0;
  }
}
