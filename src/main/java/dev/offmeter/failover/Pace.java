// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.endpoint.MinimumRate;
import org.jspecify.annotations.Nullable;

/**
 * Whether an answer that has begun comes fast enough, in the time that its reader waits for it.
 * Used by the thread that reads.
 */
final class Pace {
  private static final double NANOS = 1e9;

  private final @Nullable MinimumRate least;
  private long waited;
  private int pieces;

  Pace(@Nullable MinimumRate least) {
    this.least = least;
  }

  /** Whether anybody wants to know. */
  boolean isMeasured() {
    return least != null;
  }

  /** Whether, with these nanoseconds of waiting and what they brought, a window was too slow. */
  boolean isTooSlow(long nanos, int brought) {
    waited += nanos;
    pieces += brought;
    if (least == null || waited < least.window().toNanos()) {
      return false;
    }
    boolean slow = pieces < least.tokensPerSecond() * waited / NANOS;
    waited = 0;
    pieces = 0;
    return slow;
  }

  @Override
  public String toString() {
    return least == null
        ? "any"
        : least.tokensPerSecond() + " tokens a second over " + least.window().toMillis() + " ms";
  }
}
