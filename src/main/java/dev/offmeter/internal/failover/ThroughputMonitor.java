// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import dev.offmeter.internal.http.MinimumRate;
import org.jspecify.annotations.Nullable;

/**
 * Measures whether an answer that has begun arrives fast enough, in the time for which its reader
 * waits. Used by the thread that reads.
 */
final class ThroughputMonitor {
  private static final double NANOS = 1e9;

  private final @Nullable MinimumRate minimum;

  // Owned by the thread that reads.

  private long waitedNanos;
  private int pieces;
  private boolean tooSlow;

  ThroughputMonitor(@Nullable MinimumRate minimum) {
    this.minimum = minimum;
  }

  /** Returns whether a minimum rate is set. */
  boolean isEnabled() {
    return minimum != null;
  }

  /** Records nanoseconds of waiting and the pieces they brought. */
  void record(long nanos, int brought) {
    waitedNanos += nanos;
    pieces += brought;
    if (minimum != null && waitedNanos >= minimum.window().toNanos()) {
      tooSlow = pieces < minimum.tokensPerSecond() * waitedNanos / NANOS;
      waitedNanos = 0;
      pieces = 0;
    }
  }

  /** Returns whether the last window that is complete had fewer pieces than the minimum rate. */
  boolean isTooSlow() {
    return tooSlow;
  }

  @Override
  public String toString() {
    return minimum == null
        ? "any"
        : minimum.tokensPerSecond()
            + " tokens a second over "
            + minimum.window().toMillis()
            + " ms";
  }
}
