// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.meter;

import java.time.Duration;

/**
 * What a group of calls used and cost. For an endpoint or a model, {@code calls} and {@code failed}
 * count the attempts that were made there; for all other groups, whole calls.
 *
 * @param calls the number of calls that have ended
 * @param failed how many of them had no answer
 * @param inputTokens input tokens of all attempts, failed ones included, as reported or estimated
 * @param outputTokens output tokens of all attempts, failed ones included, as reported or estimated
 * @param cachedInputTokens input tokens that were read from a server's cache
 * @param thinkingTokens output tokens that were thinking
 * @param computeTime the time for which all attempts kept servers busy
 * @param knownCost the sum of all costs that are known, {@code possiblyBilled} included
 * @param attemptsOfUnknownCost the number of attempts whose cost is not in {@code knownCost},
 *     because their endpoint has no price
 * @param possiblyBilled the part of {@code knownCost} that attempts may have cost that were given
 *     up
 * @param baselineCost what the client's baseline would have charged for the answers; unknown
 *     without a baseline
 */
public record MeterTotals(
    long calls,
    long failed,
    long inputTokens,
    long outputTokens,
    long cachedInputTokens,
    long thinkingTokens,
    Duration computeTime,
    Cost knownCost,
    long attemptsOfUnknownCost,
    Cost possiblyBilled,
    Cost baselineCost) {
  /** The totals of no call. */
  public static final MeterTotals NOTHING =
      new MeterTotals(0, 0, 0, 0, 0, 0, Duration.ZERO, Cost.NONE, 0, Cost.NONE, Cost.UNKNOWN);

  /** Returns the whole cost; {@link Cost#UNKNOWN} if that of any attempt is unknown. */
  public Cost cost() {
    return attemptsOfUnknownCost == 0 ? knownCost : Cost.UNKNOWN;
  }

  /** Returns the baseline's cost less {@link #cost()}: negative if the calls cost more. */
  public Cost saved() {
    return baselineCost.minus(cost());
  }
}
