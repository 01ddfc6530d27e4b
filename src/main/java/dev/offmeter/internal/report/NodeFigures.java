// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.report;

import dev.offmeter.meter.MeterTotals;
import dev.offmeter.meter.Upkeep;
import java.time.Duration;
import java.util.Optional;

/**
 * What was measured of a node, extrapolated to a month.
 *
 * @param name the endpoint's name
 * @param upkeep what the machine costs
 * @param totals its attempts
 * @param measured for how long they were counted
 * @param reserveShare the share of all answers by a model that managed endpoints gave
 */
record NodeFigures(
    String name, Upkeep upkeep, MeterTotals totals, Duration measured, double reserveShare) {
  private static final double SECONDS_PER_MONTH = Upkeep.HOURS_PER_MONTH * 3600.0;

  private double measuredSeconds() {
    return measured.toNanos() / 1e9;
  }

  private double computeSeconds() {
    return totals.computeTime().toNanos() / 1e9;
  }

  private double tokens() {
    return totals.inputTokens() + totals.outputTokens();
  }

  /** Returns the tokens a month that are asked of the node, the reserve's share included. */
  double tokensPerMonth() {
    double own = tokens() / measuredSeconds() * SECONDS_PER_MONTH;
    return reserveShare < 1 ? own / (1 - reserveShare) : 0;
  }

  /** Returns the part of the time for which the node computed; calls at once overlap. */
  double utilisation() {
    return measured.isZero() ? 0 : Math.min(1, computeSeconds() / measuredSeconds());
  }

  /** Returns tokens of input and output for a second of compute time; 0 if there was none. */
  double tokensPerSecond() {
    return computeSeconds() == 0 ? 0 : tokens() / computeSeconds();
  }

  /** Returns the curve; empty if no token or no time was measured, or there is no baseline. */
  Optional<BreakEven> breakEven() {
    if (tokens() == 0 || measured.isZero() || !totals.baselineCost().isKnown()) {
      return Optional.empty();
    }
    double charged = totals.baselineCost().amount().doubleValue();
    return Optional.of(
        new BreakEven(upkeep, charged / tokens(), computeSeconds() / tokens(), reserveShare));
  }
}
