// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.health;

import dev.offmeter.observe.EndpointStatus;
import java.time.Duration;
import java.util.Arrays;

/** Holds how long the last answers of one endpoint took. Safe for use by many threads. */
public final class LatencyWindow {
  private static final int KEPT = 100;

  // Guarded by this.
  private final long[] first = new long[KEPT];
  private final long[] total = new long[KEPT];
  private int count;

  /** Adds an answer; both times are in nanoseconds from its dispatch. */
  public synchronized void add(long firstToken, long whole) {
    first[count % KEPT] = firstToken;
    total[count % KEPT] = whole;
    // The count is needed modulo the window only; bounding it keeps it from overflowing.
    count = count + 1 < 2 * KEPT ? count + 1 : KEPT;
  }

  /** Returns the 95th percentile of whole answers in nanoseconds; 0 when there was none. */
  synchronized long total95() {
    return quantile(sorted(total), 0.95);
  }

  public synchronized EndpointStatus.Latency summary() {
    long[] firsts = sorted(first);
    long[] totals = sorted(total);
    return new EndpointStatus.Latency(
        firsts.length,
        Duration.ofNanos(quantile(firsts, 0.5)),
        Duration.ofNanos(quantile(firsts, 0.95)),
        Duration.ofNanos(quantile(totals, 0.5)),
        Duration.ofNanos(quantile(totals, 0.95)));
  }

  private long[] sorted(long[] values) {
    long[] sorted = Arrays.copyOf(values, Math.min(count, KEPT));
    Arrays.sort(sorted);
    return sorted;
  }

  /** Returns a quantile by nearest rank. */
  private static long quantile(long[] sorted, double share) {
    return sorted.length == 0 ? 0 : sorted[(int) Math.ceil(share * sorted.length) - 1];
  }
}
