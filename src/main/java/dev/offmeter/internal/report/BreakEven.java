// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.report;

import dev.offmeter.meter.Cost;
import dev.offmeter.meter.Upkeep;
import java.util.OptionalDouble;

/**
 * What a node and its reserve cost in a month, and what the baseline alone would charge for the
 * same tokens. Tokens are those asked of the node: the reserve answers its share of them anyway, at
 * the baseline's price, so the node saves the rest only.
 *
 * @param upkeep what the machine costs
 * @param perToken what the baseline charges for a token at the measured mix of input and output
 * @param secondsPerToken the compute time of a token that the node answers
 * @param reserveShare the share of the tokens that the reserve answers, from 0 to 1
 */
record BreakEven(Upkeep upkeep, double perToken, double secondsPerToken, double reserveShare) {
  private static final double SECONDS_PER_MONTH = Upkeep.HOURS_PER_MONTH * 3600.0;
  private static final int MILLION = 1_000_000;

  /** Which of a machine's costs are counted. */
  enum Counted {
    ALL("everything counted"),
    WITHOUT_YOUR_TIME("your time not counted"),
    POWER("only power counted");

    private final String words;

    Counted(String words) {
      this.words = words;
    }

    String words() {
      return words;
    }

    Cost cost(Upkeep.Month month) {
      return switch (this) {
        case ALL -> month.fullyLoaded();
        case WITHOUT_YOUR_TIME -> month.withoutYourTime();
        case POWER -> month.powerOnly();
      };
    }

    double of(Upkeep.Month month) {
      return cost(month).amount().doubleValue();
    }
  }

  /** Returns what a million tokens cost on a machine that computes all the time. */
  static double perMillion(double costPerMonth, double tokensPerSecond) {
    return costPerMonth / (tokensPerSecond * SECONDS_PER_MONTH) * MILLION;
  }

  /** Returns what the machine costs in a month in which so many tokens are asked of it. */
  double machine(Counted counted, double tokens) {
    double idle = counted.of(upkeep.month(0));
    double busy = counted.of(upkeep.month(1));
    return idle + (busy - idle) * utilisation(tokens);
  }

  /** Returns what machine and reserve cost in a month in which so many tokens are asked for. */
  double withNode(Counted counted, double tokens) {
    return machine(counted, tokens) + reserveShare * baseline(tokens);
  }

  /** Returns what the baseline would charge for so many tokens. */
  double baseline(double tokens) {
    return perToken * tokens;
  }

  /** Returns the part of the time for which the node computes to answer its share of the tokens. */
  double utilisation(double tokens) {
    return Math.min(1, tokens * (1 - reserveShare) * secondsPerToken / SECONDS_PER_MONTH);
  }

  /**
   * Returns the tokens a month at which the node computes all the time; infinite if it takes none.
   */
  double mostTokens() {
    return SECONDS_PER_MONTH / (secondsPerToken * (1 - reserveShare));
  }

  /**
   * Returns the tokens a month from which on the node is cheaper; empty if it never is, because its
   * power for a token costs as much as the baseline's token, or it answers none. May be more than
   * {@link #mostTokens()}.
   */
  OptionalDouble tokens(Counted counted) {
    double idle = counted.of(upkeep.month(0));
    double powerPerToken =
        (counted.of(upkeep.month(1)) - idle) * secondsPerToken / SECONDS_PER_MONTH;
    double savedPerToken = (1 - reserveShare) * (perToken - powerPerToken);
    return savedPerToken > 0 ? OptionalDouble.of(idle / savedPerToken) : OptionalDouble.empty();
  }
}
