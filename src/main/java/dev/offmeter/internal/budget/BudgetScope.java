// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.budget;

import dev.offmeter.ChatRequest;
import dev.offmeter.guard.Budget;
import dev.offmeter.guard.BudgetStatus;
import dev.offmeter.guard.BudgetStore.Balance;
import dev.offmeter.guard.BudgetStore.Claim;
import dev.offmeter.guard.BudgetWindow;
import dev.offmeter.internal.meter.AttemptBill;
import dev.offmeter.meter.Cost;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * One count of a budget: that of one value of a tag, or of one session, if it counts by these.
 *
 * @param value the value that is counted apart; empty if there is none
 */
record BudgetScope(Budget budget, String value) {
  private static final int NANO = 9;

  /** A session's count is kept so long after its last request. */
  private static final Duration SESSION_IDLE = Duration.ofHours(24);

  /** Returns the count under which a request to any endpoint falls; null if it does not. */
  static @Nullable BudgetScope of(Budget budget, ChatRequest request) {
    if (budget.window().isPerSession()) {
      String session = request.session().orElse(null);
      return session == null ? null : of(budget, request, session);
    }
    return of(budget, request, "");
  }

  private static @Nullable BudgetScope of(Budget budget, ChatRequest request, String session) {
    Optional<String> tag = budget.tag();
    if (tag.isEmpty()) {
      return new BudgetScope(budget, session);
    }
    String value = request.tags().get(tag.get());
    if (value == null) {
      return null;
    }
    if (budget.tagValue().isPresent()) {
      return budget.tagValue().get().equals(value) ? new BudgetScope(budget, session) : null;
    }
    return new BudgetScope(
        budget, session.isEmpty() ? value : escaped(session) + "|" + escaped(value));
  }

  /** Two names that are joined by a bar must not be those of another pair. */
  private static String escaped(String name) {
    return name.replace("\\", "\\\\").replace("|", "\\|");
  }

  /** Returns a claim of an amount in the window in which a moment lies. */
  Claim claim(long amount, Instant now) {
    BudgetWindow window = budget.window();
    boolean rolls = window.period() == BudgetWindow.Period.ROLLING;
    Instant end = window.endOf(now);
    Instant kept =
        switch (window.period()) {
          case SESSION -> now.plus(SESSION_IDLE);
          case ROLLING -> now.plus(window.rolling());
          default -> end;
        };
    String began = end.equals(Instant.MAX) ? "" : window.startOf(now).toString();
    long limit =
        budget.whenExceeded() == Budget.WhenExceeded.WARN ? Long.MAX_VALUE : budget.limit();
    return new Claim(
        escaped(budget.name()) + "|" + escaped(value) + "|" + began,
        amount,
        limit,
        kept,
        rolls ? window.rolling() : Duration.ZERO);
  }

  /** Returns what an attempt used, rounded up. */
  long used(AttemptBill bill) {
    return switch (budget.unit()) {
      case MONEY -> nanos(bill.cost());
      case TOKENS -> (long) bill.usage().inputTokens() + bill.usage().outputTokens();
      case CALLS -> budget.endpoint().isPresent() && bill.equals(AttemptBill.NONE) ? 0 : 1;
      case COMPUTE_TIME -> millis(bill.computeTime());
    };
  }

  /**
   * Returns an amount of money in billionths, rounded up: what is counted must not be too little.
   */
  static long nanos(Cost cost) {
    if (!cost.isKnown()) {
      return 0;
    }
    BigDecimal nanos = cost.amount().movePointRight(NANO).setScale(0, RoundingMode.CEILING);
    return nanos.min(BigDecimal.valueOf(Long.MAX_VALUE)).longValueExact();
  }

  static long millis(Duration time) {
    return time.plusNanos(999_999).toMillis();
  }

  /** Returns the state of the count. */
  BudgetStatus status(Balance balance, Instant now) {
    Instant end = budget.window().endOf(now);
    Optional<Instant> reset = end.equals(Instant.MAX) ? Optional.empty() : Optional.of(end);
    return new BudgetStatus(
        budget, value, balance.spent(), balance.reserved(), reset, exhaustion(balance, now, end));
  }

  /** Extends what was spent in the window so far in a straight line. */
  private Optional<Instant> exhaustion(Balance balance, Instant now, Instant end) {
    Duration passed = Duration.between(budget.window().startOf(now), now);
    boolean counts = !end.equals(Instant.MAX) && balance.spent() > 0 && !passed.isZero();
    if (!counts || balance.spent() >= budget.limit()) {
      return counts ? Optional.of(now) : Optional.empty();
    }
    double left = (double) (budget.limit() - balance.spent()) / balance.spent();
    double seconds = passed.toSeconds() * left;
    return seconds < Duration.between(now, end).toSeconds()
        ? Optional.of(now.plusSeconds((long) seconds))
        : Optional.empty();
  }
}
