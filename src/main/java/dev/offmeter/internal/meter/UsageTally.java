// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.meter;

import dev.offmeter.Usage;
import dev.offmeter.meter.Cost;
import dev.offmeter.meter.Price;
import java.time.Duration;
import java.util.concurrent.atomic.LongAdder;

/**
 * Adds up what attempts at one price used. Sums of counts, and not of costs, because a cost is a
 * sum of products of counts and prices: it is exact when it is computed once at the end. Safe for
 * use by many threads.
 */
final class UsageTally {
  private final LongAdder attempts = new LongAdder();
  private final LongAdder input = new LongAdder();
  private final LongAdder cached = new LongAdder();
  private final LongAdder cacheWrite = new LongAdder();
  private final LongAdder output = new LongAdder();
  private final LongAdder thinking = new LongAdder();
  private final LongAdder computeNanos = new LongAdder();

  void add(Usage usage, Duration computeTime) {
    attempts.increment();
    input.add(usage.inputTokens());
    output.add(usage.outputTokens());
    computeNanos.add(computeTime.toNanos());
    addIfAny(cached, usage.cachedInputTokens());
    addIfAny(cacheWrite, usage.cacheWriteTokens());
    addIfAny(thinking, usage.thinkingTokens());
  }

  private static void addIfAny(LongAdder sum, int count) {
    if (count != 0) {
      sum.add(count);
    }
  }

  long attempts() {
    return attempts.sum();
  }

  long inputTokens() {
    return input.sum();
  }

  long cachedInputTokens() {
    return cached.sum();
  }

  long outputTokens() {
    return output.sum();
  }

  long thinkingTokens() {
    return thinking.sum();
  }

  Duration computeTime() {
    return Duration.ofNanos(computeNanos.sum());
  }

  /** Returns what all of it costs; {@link Cost#NONE} of nothing. */
  Cost cost(Price price) {
    if (attempts.sum() == 0) {
      return Cost.NONE;
    }
    return price.cost(
        input.sum(),
        cached.sum(),
        cacheWrite.sum(),
        output.sum(),
        thinking.sum(),
        attempts.sum(),
        computeTime());
  }
}
