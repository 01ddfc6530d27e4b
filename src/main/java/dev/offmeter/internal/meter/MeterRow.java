// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.meter;

import dev.offmeter.Attempt;
import dev.offmeter.Usage;
import dev.offmeter.meter.Cost;
import dev.offmeter.meter.MeterTotals;
import dev.offmeter.meter.Price;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.BiFunction;
import org.jspecify.annotations.Nullable;

/** The counts of one group of calls, such as those of an endpoint. Safe for use by many threads. */
final class MeterRow {
  private final LongAdder calls = new LongAdder();
  private final LongAdder failed = new LongAdder();
  private final UsageTally ofUnknownPrice = new UsageTally();
  private final Map<Price, Tallies> attempts = new ConcurrentHashMap<>();
  private final Map<Price, Tallies> baseline = new ConcurrentHashMap<>();

  /** The usage of attempts at one price, by how certain it is that it is billed as counted. */
  private record Tallies(UsageTally reported, UsageTally estimated, UsageTally possiblyBilled) {
    static Tallies empty() {
      return new Tallies(new UsageTally(), new UsageTally(), new UsageTally());
    }

    List<UsageTally> all() {
      return List.of(reported, estimated, possiblyBilled);
    }

    Cost cost(Price price) {
      return reported
          .cost(price)
          .plus(estimated.cost(price).asEstimated())
          .plus(possiblyBilled.cost(price).asEstimated());
    }
  }

  void addCall(boolean answered) {
    calls.increment();
    if (!answered) {
      failed.increment();
    }
  }

  /** Adds an attempt at an endpoint with this price; null if the price is unknown. */
  void addAttempt(Attempt attempt, @Nullable Price price) {
    if (attempt.cost().equals(Cost.NONE)) {
      // Not sent, or refused: a price per request does not charge for it.
      return;
    }
    if (price == null) {
      ofUnknownPrice.add(attempt.usage(), attempt.computeTime());
      return;
    }
    Tallies tallies = tallies(attempts, price, attempt.usage());
    UsageTally answered = attempt.cost().isEstimated() ? tallies.estimated() : tallies.reported();
    UsageTally tally = attempt.possiblyBilled() ? tallies.possiblyBilled() : answered;
    tally.add(attempt.usage(), attempt.computeTime());
  }

  /** Adds an answer that the baseline would have given at this price. */
  void addBaseline(Price price, Usage usage, Duration computeTime) {
    Tallies tallies = tallies(baseline, price, usage);
    (usage.reported() ? tallies.reported() : tallies.estimated()).add(usage, computeTime);
  }

  private static Tallies tallies(Map<Price, Tallies> byPrice, Price price, Usage usage) {
    return byPrice.computeIfAbsent(price.forInput(usage.inputTokens()), each -> Tallies.empty());
  }

  /**
   * Returns the totals.
   *
   * @param hasBaseline whether the client has a baseline: without one its cost is unknown
   */
  MeterTotals totals(boolean hasBaseline) {
    long input = ofUnknownPrice.inputTokens();
    long output = ofUnknownPrice.outputTokens();
    long cached = ofUnknownPrice.cachedInputTokens();
    long thinking = ofUnknownPrice.thinkingTokens();
    Duration compute = ofUnknownPrice.computeTime();
    for (Tallies tallies : attempts.values()) {
      for (UsageTally tally : tallies.all()) {
        input += tally.inputTokens();
        output += tally.outputTokens();
        cached += tally.cachedInputTokens();
        thinking += tally.thinkingTokens();
        compute = compute.plus(tally.computeTime());
      }
    }
    return new MeterTotals(
        calls.sum(),
        failed.sum(),
        input,
        output,
        cached,
        thinking,
        compute,
        cost(attempts, Tallies::cost),
        ofUnknownPrice.attempts(),
        cost(attempts, (tallies, price) -> tallies.possiblyBilled().cost(price).asEstimated()),
        hasBaseline ? cost(baseline, Tallies::cost) : Cost.UNKNOWN);
  }

  private static Cost cost(Map<Price, Tallies> byPrice, BiFunction<Tallies, Price, Cost> cost) {
    Cost sum = Cost.NONE;
    for (Map.Entry<Price, Tallies> entry : byPrice.entrySet()) {
      sum = sum.plus(cost.apply(entry.getValue(), entry.getKey()));
    }
    return sum;
  }
}
