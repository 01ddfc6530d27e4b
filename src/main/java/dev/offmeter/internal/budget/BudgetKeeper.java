// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.budget;

import dev.offmeter.ChatRequest;
import dev.offmeter.guard.Budget;
import dev.offmeter.guard.BudgetStatus;
import dev.offmeter.guard.BudgetStore;
import dev.offmeter.guard.BudgetStore.Claim;
import dev.offmeter.internal.time.TimeSource;
import dev.offmeter.observe.LlmListener;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;

/** Keeps the budgets of one client. Safe for use by many threads. */
public final class BudgetKeeper {
  /** Beyond this, no further counts are shown or remembered as having alerted. */
  private static final int MOST_SCOPES = 1_000;

  private final List<Budget> budgets;
  private final FallibleStore store;
  private final TimeSource time;
  private final LlmListener listener;

  /** Tells the reservations of this client from those of all others in the store. */
  private final String client = UUID.randomUUID().toString();

  private final AtomicLong reservations = new AtomicLong();
  private final Set<BudgetScope> seen = ConcurrentHashMap.newKeySet();

  /** The highest share that each count has alerted at, by its key. */
  private final Map<String, Double> alerted = new ConcurrentHashMap<>();

  /** The keys of the counts in which a request has not fitted, and that have alerted of it. */
  private final Set<String> refused = ConcurrentHashMap.newKeySet();

  /**
   * Creates a keeper.
   *
   * @param listener hears of alerts; must not throw
   */
  public BudgetKeeper(
      List<Budget> budgets, BudgetStore store, TimeSource time, LlmListener listener) {
    this.budgets = List.copyOf(budgets);
    this.store = new FallibleStore(store);
    this.time = time;
    this.listener = listener;
    for (Budget budget : budgets) {
      if (budget.tag().isEmpty() && !budget.window().isPerSession()) {
        seen.add(new BudgetScope(budget, ""));
      }
    }
  }

  /** Returns the budgets of one call. */
  public CallBudgets forCall(ChatRequest request, boolean streamed) {
    if (budgets.isEmpty()) {
      return CallBudgets.NONE;
    }
    List<BudgetScope> scopes = new ArrayList<>(budgets.size());
    for (Budget budget : budgets) {
      BudgetScope scope = BudgetScope.of(budget, request);
      if (scope != null) {
        scopes.add(scope);
        if (seen.size() < MOST_SCOPES) {
          seen.add(scope);
        }
      }
    }
    return scopes.isEmpty() ? CallBudgets.NONE : new CallBudgets(this, scopes, streamed);
  }

  Instant now() {
    return time.instant();
  }

  /**
   * Reserves.
   *
   * @param lease after which the reservation ends if this process does
   * @return empty if the store does not work
   */
  Optional<Reserved> reserve(List<Claim> claims, Duration lease) {
    String name = client + "-" + reservations.incrementAndGet();
    Instant now = now();
    return store
        .reserve(name, claims, now, now.plus(lease))
        .map(notFitting -> new Reserved(name, notFitting));
  }

  /** The outcome of a reservation: its name, and the index of the claim that did not fit or -1. */
  record Reserved(String name, int notFitting) {}

  void settle(String name, List<BudgetScope> scopes, List<Claim> claims, List<Long> used) {
    if (!store.trySettle(name, claims, used, now())) {
      return;
    }
    for (int i = 0; i < scopes.size(); i++) {
      BudgetScope scope = scopes.get(i);
      Claim claim = claims.get(i);
      status(scope, claim).ifPresent(status -> alertIfPassed(scope, claim, status));
    }
  }

  private void alertIfPassed(BudgetScope scope, Claim claim, BudgetStatus status) {
    double share = (double) status.spent() / scope.budget().limit();
    for (double alert : scope.budget().alerts()) {
      if (share >= alert) {
        alertOnce(claim, status, alert);
      }
    }
    if (share >= 1) {
      alertOnce(claim, status, 1);
    }
  }

  /**
   * Alerts that a request has not fitted, unless all is spent anyway. The shares that are spent
   * later alert all the same.
   */
  void onRefused(Claim claim, BudgetStatus status) {
    if (refused.size() >= MOST_SCOPES) {
      refused.clear();
    }
    boolean allSpent = alerted.getOrDefault(claim.key(), 0.0) >= 1;
    if (!allSpent && refused.add(claim.key())) {
      listener.onBudgetAlert(status, 1);
    }
  }

  private void alertOnce(Claim claim, BudgetStatus status, double share) {
    if (alerted.size() >= MOST_SCOPES) {
      alerted.clear();
    }
    Double before = alerted.get(claim.key());
    // Put only by the one whose comparison still holds: of two at once, one alerts.
    boolean first =
        before == null
            ? alerted.putIfAbsent(claim.key(), share) == null
            : before < share && alerted.replace(claim.key(), before, share);
    if (first) {
      listener.onBudgetAlert(status, share);
    }
  }

  /** Returns the state of a count; empty if the store does not work. */
  Optional<BudgetStatus> status(BudgetScope scope, Claim claim) {
    Instant now = now();
    return store.balance(claim, now).map(balance -> scope.status(balance, now));
  }

  /**
   * Returns the state of every budget, and of each count that this client has used; none while the
   * store does not work.
   */
  public List<BudgetStatus> statuses() {
    Instant now = now();
    return seen.stream()
        .flatMap(scope -> status(scope, scope.claim(0, now)).stream())
        .sorted(
            Comparator.comparing((BudgetStatus status) -> status.budget().name())
                .thenComparing(BudgetStatus::scope))
        .toList();
  }
}
