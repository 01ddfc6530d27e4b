// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.guard;

import java.time.Instant;
import java.util.Optional;

/**
 * The state of one budget, or of one of its counts, at one moment. Amounts are in the budget's
 * {@link Budget#unit()}.
 *
 * @param budget the budget
 * @param scope the value of the tag or the session that is counted apart; empty if there is none
 * @param spent what was used in the present window
 * @param reserved what running requests may use at most
 * @param resetsAt when the window ends; empty for one that does not
 * @param projectedExhaustion when the limit is reached, if as much goes on to be used as in the
 *     window so far; empty if that is not before the window ends, or nothing was used
 */
public record BudgetStatus(
    Budget budget,
    String scope,
    long spent,
    long reserved,
    Optional<Instant> resetsAt,
    Optional<Instant> projectedExhaustion) {
  /** Returns what is left to be reserved; 0 if the limit was exceeded. */
  public long left() {
    // One after the other, because their sum could overflow.
    return Math.max(0, Math.max(0, budget.limit() - spent) - reserved);
  }

  /** Returns one line, such as {@code reserve-month: 12.40 USD of 20.00 USD per month in UTC}. */
  @Override
  public String toString() {
    return budget.name()
        + (scope.isEmpty() ? "" : " (" + scope + ")")
        + ": "
        + budget.shown(spent)
        + (reserved == 0 ? "" : " and " + budget.shown(reserved) + " reserved")
        + " of "
        + budget.shown(budget.limit())
        + " "
        + budget.window()
        + resetsAt.map(end -> ", begins anew at " + end).orElse("");
  }
}
