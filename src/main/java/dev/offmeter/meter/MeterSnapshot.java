// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.meter;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.time.Instant;
import java.time.LocalDate;
import java.util.Collections;
import java.util.Map;
import java.util.Objects;

/**
 * Everything that a {@link Meter} has counted up to one moment. A call that is running is not in
 * it, but for those of its attempts that have ended. Immutable, so safe for use by many threads.
 * The maps are sorted by their keys.
 *
 * @param since when the meter began to count
 * @param total all calls
 * @param byEndpoint by the endpoint's name
 * @param byModel by the endpoint's name, a slash and the model that it was asked for
 * @param byDay by the day on which a call or attempt ended, in the JVM's time zone; the last 400
 * @param byDayAndEndpoint the attempts of each day at each endpoint
 * @param byTag by the tag's name and its value; beyond 20 names and 1,000 values of a name, the
 *     rest is under {@link Meter#OTHER}
 * @param outcomes by name, how often it was counted
 * @param outcomesByTag by the tag's name, its value and the outcome's name, how often it was
 *     counted
 */
public record MeterSnapshot(
    Instant since,
    MeterTotals total,
    Map<String, MeterTotals> byEndpoint,
    Map<String, MeterTotals> byModel,
    Map<LocalDate, MeterTotals> byDay,
    Map<LocalDate, Map<String, MeterTotals>> byDayAndEndpoint,
    Map<String, Map<String, MeterTotals>> byTag,
    Map<String, Long> outcomes,
    Map<String, Map<String, Map<String, Long>>> outcomesByTag) {
  /** The decimals of a cost per outcome: a mail costs fractions of a cent. */
  private static final int DECIMALS = 6;

  /** Returns the totals of the calls with a tag's value; nothing if there were none. */
  public MeterTotals tag(String name, String value) {
    Map<String, MeterTotals> values = byTag.getOrDefault(name, Collections.emptyMap());
    return values.getOrDefault(value, MeterTotals.NOTHING);
  }

  /**
   * Returns the cost of all calls divided by the number of an outcome, rounded to 6 decimals;
   * {@link Cost#UNKNOWN} if the cost is, or the outcome was never counted.
   */
  public Cost costPerOutcome(String outcome) {
    Objects.requireNonNull(outcome, "outcome");
    return per(total.cost(), outcomes.getOrDefault(outcome, 0L));
  }

  /**
   * Returns the cost of the calls with a tag's value divided by the number of an outcome that was
   * counted with the same; see {@link #costPerOutcome(String)}.
   */
  public Cost costPerOutcome(String outcome, String tag, String value) {
    Objects.requireNonNull(outcome, "outcome");
    long count =
        outcomesByTag
            .getOrDefault(tag, Collections.emptyMap())
            .getOrDefault(value, Collections.emptyMap())
            .getOrDefault(outcome, 0L);
    return per(tag(tag, value).cost(), count);
  }

  private static Cost per(Cost cost, long count) {
    if (count == 0 || !cost.isKnown()) {
      return Cost.UNKNOWN;
    }
    BigDecimal share =
        cost.amount().divide(BigDecimal.valueOf(count), DECIMALS, RoundingMode.HALF_UP);
    return cost.withAmount(share);
  }
}
