// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testing;

import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;

/** Counts what happens in random tests, and keeps what ought not to. Safe for many threads. */
public final class RunReport {
  private static final int TOLD_AT_MOST = 40;

  private final Map<String, LongAdder> counts = new ConcurrentSkipListMap<>();
  private final Queue<String> errorCount = new ConcurrentLinkedQueue<>();
  private final LongAdder reportError = new LongAdder();
  private final AtomicLong worstDelay = new AtomicLong();

  /** It happened once more. */
  public void count(String what) {
    count(what, 1);
  }

  /** It happened so many times more; none at all is told too. */
  public void count(String what, long times) {
    counts.computeIfAbsent(what, key -> new LongAdder()).add(times);
  }

  /** How often it happened. */
  public long countOf(String what) {
    LongAdder count = counts.get(what);
    return count == null ? 0 : count.sum();
  }

  /** Notes what is wrong, unless it is empty. */
  public void reportError(String where, String what) {
    if (!what.isEmpty()) {
      reportError.increment();
      if (errorCount.size() < TOLD_AT_MOST) {
        errorCount.add(where + ": " + what);
      }
    }
  }

  /** So long after its deadline, or after it was told to, a call ended. */
  public void recordDelay(long millis) {
    worstDelay.accumulateAndGet(millis, Math::max);
  }

  /** How much was wrong. */
  public long errorCount() {
    return reportError.sum();
  }

  /** Whether nothing was. */
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
