// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import dev.offmeter.guard.BudgetStatus;
import java.util.List;
import java.util.Objects;

/**
 * Signals that no endpoint gave an answer, and that one at least was not asked because a {@link
 * dev.offmeter.guard.Budget} had no room for the request. The message names the budget, what was
 * spent, the limit and when it begins anew, and lists every attempt.
 */
public final class BudgetExceededException extends LlmException {
  private static final long serialVersionUID = 1L;

  /** Not serialised: a copy sent elsewhere keeps the message. */
  private final transient BudgetStatus budget;

  /**
   * Creates an exception.
   *
   * @param budget the first budget that had no room
   * @param attempts every attempt, in order
   */
  public BudgetExceededException(BudgetStatus budget, List<Attempt> attempts) {
    super(message(Objects.requireNonNull(budget, "budget"), attempts), attempts);
    this.budget = budget;
  }

  private static String message(BudgetStatus budget, List<Attempt> attempts) {
    StringBuilder message = new StringBuilder("budget exceeded: ").append(budget);
    AllEndpointsFailedException.appendLines(message, attempts);
    return message.append("\nsee ").append(FailureKind.BUDGET_EXCEEDED.link()).toString();
  }

  /** Returns the state of the budget when it had no room; null in a copy that was serialised. */
  public BudgetStatus budget() {
    return budget;
  }
}
