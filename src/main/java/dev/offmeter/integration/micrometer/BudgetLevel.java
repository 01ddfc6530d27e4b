// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.micrometer;

import dev.offmeter.guard.Budget;
import dev.offmeter.guard.BudgetStatus;

/**
 * The state of a budget in units that people read: money, not billionths of it, and seconds.
 *
 * @param unit {@code calls}, {@code tokens}, {@code seconds} or the code of a currency
 * @param spent in the present window
 * @param reserved by running requests
 * @param cap the limit
 */
record BudgetLevel(String unit, double spent, double reserved, double cap) {
  private static final double NANO = 1e9;
  private static final double MILLI = 1e3;

  static BudgetLevel of(BudgetStatus status) {
    Budget budget = status.budget();
    double scale =
        switch (budget.unit()) {
          case MONEY -> NANO;
          case COMPUTE_TIME -> MILLI;
          case TOKENS, CALLS -> 1;
        };
    return new BudgetLevel(
        unit(budget), status.spent() / scale, status.reserved() / scale, budget.limit() / scale);
  }

  private static String unit(Budget budget) {
    return switch (budget.unit()) {
      case MONEY -> budget.currency();
      case COMPUTE_TIME -> "seconds";
      case TOKENS -> "tokens";
      case CALLS -> "calls";
    };
  }

  /** Returns whichever is nearer to its cap. */
  static BudgetLevel fuller(BudgetLevel one, BudgetLevel other) {
    return one.spent + one.reserved >= other.spent + other.reserved ? one : other;
  }
}
