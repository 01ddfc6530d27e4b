// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.health;

import java.util.Arrays;

/** Holds the last times of one kind, up to a number of them. Used under its owner's lock. */
final class RecentTimes {
  private final long[] times;
  private int count;

  RecentTimes(int kept) {
    this.times = new long[kept];
  }

  /** Adds a time, in nanoseconds; the oldest goes when there is no room. */
  void add(long nanos) {
    times[count % times.length] = nanos;
    // The count is needed modulo the window only; bounding it keeps it from overflowing.
    count = count + 1 < 2 * times.length ? count + 1 : times.length;
  }

  /** Returns how many times are held. */
  int size() {
    return Math.min(count, times.length);
  }

  /** Forgets all of them. */
  void clear() {
    count = 0;
  }

  /** Returns a quantile by nearest rank; 0 when there is no time. */
  long quantile(double share) {
    long[] sorted = Arrays.copyOf(times, size());
    Arrays.sort(sorted);
    return sorted.length == 0 ? 0 : sorted[(int) Math.ceil(share * sorted.length) - 1];
  }
}
