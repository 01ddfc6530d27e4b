// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testing;

import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;

/** Counts what happens in random tests, and collects the errors. Safe for use by many threads. */
public final class RunReport {
  private static final int TOLD_AT_MOST = 40;

  private final Map<String, LongAdder> counts = new ConcurrentSkipListMap<>();
  private final Queue<String> errorCount = new ConcurrentLinkedQueue<>();
  private final LongAdder reportError = new LongAdder();
  private final AtomicLong worstDelay = new AtomicLong();

  /** Counts one event. */
  public void count(String what) {
    count(what, 1);
  }

  /** Counts so many events; the report shows zero too. */
  public void count(String what, long times) {
    counts.computeIfAbsent(what, key -> new LongAdder()).add(times);
  }

  /** Returns how often an event happened. */
  public long countOf(String what) {
    LongAdder count = counts.get(what);
    return count == null ? 0 : count.sum();
  }

  /** Reports an error, unless it is empty. */
  public void reportError(String where, String what) {
    if (!what.isEmpty()) {
      reportError.increment();
      if (errorCount.size() < TOLD_AT_MOST) {
        errorCount.add(where + ": " + what);
      }
    }
  }

  /** Records how long after its deadline or its cancellation a call ended. */
  public void recordDelay(long millis) {
    worstDelay.accumulateAndGet(millis, Math::max);
  }

  /** Returns the number of errors. */
  public long errorCount() {
    return reportError.sum();
  }

  /** Returns whether there were no errors. */
  public boolean isClean() {
    return errorCount() == 0;
  }

  @Override
  public String toString() {
    StringBuilder all = new StringBuilder();
    counts.forEach((what, count) -> all.append(String.format("  %9d  %s%n", count.sum(), what)));
    all.append(String.format("  %9d  wrong%n", reportError.sum()));
    all.append(String.format("  %9d  ms at most after a deadline or an end%n", worstDelay.get()));
    errorCount.forEach(each -> all.append("  ! ").append(each).append('\n'));
    return all.toString();
  }
}
