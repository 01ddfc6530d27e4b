// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.health;

import dev.offmeter.observe.EndpointStatus;
import java.time.Duration;

/** Holds how long the last answers of one endpoint took. Safe for use by many threads. */
public final class LatencyWindow {
  private static final int KEPT = 100;

  // Guarded by this.
  private final RecentTimes first = new RecentTimes(KEPT);
  private final RecentTimes total = new RecentTimes(KEPT);

  /** Adds an answer; both times are in nanoseconds from its dispatch. */
  public synchronized void add(long firstToken, long whole) {
    first.add(firstToken);
    total.add(whole);
  }

  /** Returns the 95th percentile of whole answers in nanoseconds; 0 when there was none. */
  synchronized long total95() {
    return total.quantile(0.95);
  }

  public synchronized EndpointStatus.Latency summary() {
    return new EndpointStatus.Latency(
        first.size(),
        Duration.ofNanos(first.quantile(0.5)),
        Duration.ofNanos(first.quantile(0.95)),
        Duration.ofNanos(total.quantile(0.5)),
        Duration.ofNanos(total.quantile(0.95)));
  }
}
