// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.random;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.internal.wire.MutatedReplies;
import dev.offmeter.testing.RunReport;
import dev.offmeter.testing.Seeds;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/**
 * The random tests with new seeds for as long as {@code -Dsoak.minutes} says. What it prints at its
 * end is the report of the run.
 */
class Soak {
  private static final int CALLERS = 24;
  private static final int CALLS = 100;

  /** Every so many rounds one client lives for ten times as long. */
  private static final int LONGER_EACH = 8;

  /**
   * The bytes by which the heap after one run may exceed that after another without being a leak.
   */
  private static final long HEAP_NOISE = 8L << 20;

  private final Duration length = Duration.ofMinutes(Integer.getInteger("soak.minutes", 60));
  private final long start = System.nanoTime();
  private final RunReport report = new RunReport();
  private final List<Long> heaps = new ArrayList<>();
  private final List<Long> failed = new ArrayList<>();

  @Test
  void randomCallsForLong() throws Exception {
    Random seeds = new Random(Seeds.orElse(System.nanoTime()).findFirst().orElseThrow());
    while (System.nanoTime() - start < length.toNanos()) {
      long seed = seeds.nextLong() >>> 32;
      long before = report.errorCount();
      try {
        round(seed);
      } catch (RuntimeException | AssertionError e) {
        report.reportError("round", "ends with " + e);
      }
      if (report.errorCount() > before) {
        failed.add(seed);
        System.out.println("seed " + seed + ": " + Seeds.replayHint(seed) + "\n" + report);
      }
      heaps.add(heap());
      report.count("round");
    }
    report();
    assertThat(failed).as("seeds that failed").isEmpty();
    assertThat(growth()).as("growth of the heap in bytes").isLessThan(HEAP_NOISE);
  }

  private void round(long seed) throws Exception {
    boolean longer = heaps.size() % LONGER_EACH == LONGER_EACH - 1;
    RunSettings settings = RunSettings.of(seed, CALLERS, longer ? 10 * CALLS : CALLS);
    new RandomRun(seed, settings, RandomRun.Callers.PLATFORM, report).run();
    if (RandomRun.Callers.VIRTUAL.areHad()) {
      new RandomRun(seed, settings, RandomRun.Callers.VIRTUAL, report).run();
    }
    new OrderedQueue(seed, report).run(100);
    new CrowdedQueue(seed, report).run(100);
    new RateLimitBursts(seed, report).run(100);
    new MutatedHttp(seed, report).run(80);
    MutatedReplies replies = new MutatedReplies(seed, report);
    replies.sayTheSame(500);
    replies.damageEveryByte(1);
    replies.damage(3000);
  }

  private static long heap() {
    System.gc();
    return Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
  }

  /** The least of the last third against the least of the first, without the very first rounds. */
  private long growth() {
    int third = heaps.size() / 3;
    return third < 3 ? 0 : least(heaps.size() - third, heaps.size()) - least(2, third);
  }

  private long least(int from, int to) {
    return heaps.subList(from, to).stream().mapToLong(Long::longValue).min().orElseThrow();
  }

  private void report() {
    System.out.printf(
        "soak of %d min on JDK %d%n%s",
        Duration.ofNanos(System.nanoTime() - start).toMinutes(),
        Runtime.version().feature(),
        report);
    System.out.printf(
        "  heap in KiB after the rounds: first %d, least %d, most %d, last %d; growth %d%n",
        heaps.get(0) >> 10,
        least(0, heaps.size()) >> 10,
        heaps.stream().mapToLong(Long::longValue).max().orElseThrow() >> 10,
        heaps.get(heaps.size() - 1) >> 10,
        growth() >> 10);
    System.out.printf(
        "  threads left: %s; sockets that servers saw open at the ends of their runs: %d%n",
        RandomRun.threadsLeft(), report.countOf(RandomRun.SOCKETS_LEFT));
    System.out.println("  seeds that failed: " + failed);
  }
}
