// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.budget;

import dev.offmeter.ChatRequest;
import dev.offmeter.guard.Budget;
import dev.offmeter.guard.BudgetStatus;
import dev.offmeter.guard.BudgetStore;
import dev.offmeter.guard.BudgetStore.Claim;
import dev.offmeter.guard.BudgetStore.WhenUnavailable;
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
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;

/** Keeps the budgets of one client. Safe for use by many threads. */
public final class BudgetKeeper {
  /** Beyond this, the counts of tags and sessions that are shown or have alerted are forgotten. */
  private static final int MOST_SCOPES = 1_000;

  /** The longest time for which somebody waits who wants to see all counts. */
  private static final Duration STATUSES_LIMIT = Duration.ofSeconds(5);

  private static final Duration CALLS_LIMIT = Duration.ofSeconds(1);
  private static final Duration CLOSE_LIMIT = Duration.ofSeconds(2);

  private final List<Budget> budgets;
  private final LimitedStore store;
  private final Settlements settlements;
  private final LeaseRenewal renewal;
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
    this.store = new LimitedStore(store, time);
    this.settlements = new Settlements(this.store, time);
    this.renewal = new LeaseRenewal(this.store, time);
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
        remember(scope);
      }
    }
    return scopes.isEmpty() ? CallBudgets.NONE : new CallBudgets(this, scopes, streamed);
  }

  private void remember(BudgetScope scope) {
    if (seen.contains(scope)) {
      return;
    }
    if (seen.size() >= MOST_SCOPES) {
      seen.removeIf(other -> !other.value().isEmpty());
    }
    seen.add(scope);
  }

  Instant now() {
    return time.instant();
  }

  WhenUnavailable whenUnavailable() {
    return store.whenUnavailable();
  }

  /**
   * Reserves.
   *
   * @param lease after which the reservation ends if this process does
   * @return empty if the store does not work
   */
  Optional<Reserved> reserve(
      List<BudgetScope> scopes, List<Claim> claims, Duration lease, StoreWait wait) {
    String name = client + "-" + reservations.incrementAndGet();
    Instant now = now();
    Optional<Integer> notFitting = store.reserve(name, claims, now, now.plus(lease), wait);
    if (notFitting.isEmpty()) {
      if (store.mayBlock()) {
        // The store may have reserved, or do so yet: nobody will use it.
        settlements.settleLater(Settlement.ofNothing(name, claims));
      }
      return Optional.empty();
    }
    if (notFitting.get() >= 0) {
      return Optional.of(new Reserved(BudgetHold.NOTHING, notFitting.get()));
    }
    BudgetHold hold = new BudgetHold(this, name, scopes, claims, lease, wait);
    renewal.add(hold, now);
    return Optional.of(new Reserved(hold, -1));
  }

  /** The outcome of a reservation: what is held, or the index of the claim that did not fit. */
  record Reserved(BudgetHold hold, int notFitting) {}

  /** Settles what a hold has reserved; called once for each. */
  void settle(BudgetHold hold, List<BudgetScope> scopes, Settlement settlement, StoreWait wait) {
    renewal.remove(hold);
    settlements.settle(settlement, wait, () -> alertIfPassed(scopes, settlement.claims()));
  }

  /** Called when a settlement begins or ends to wait for a renewal, so that closing waits too. */
  void onDeferredSettlement(int more) {
    settlements.addRunning(more);
  }

  private void alertIfPassed(List<BudgetScope> scopes, List<Claim> claims) {
    for (int i = 0; i < scopes.size(); i++) {
      BudgetScope scope = scopes.get(i);
      Claim claim = claims.get(i);
      Instant now = now();
      store
          .balanceHere(claim, now)
          .ifPresent(balance -> alertIfPassed(scope, claim, scope.status(balance, now)));
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
  Optional<BudgetStatus> status(BudgetScope scope, Claim claim, StoreWait wait) {
    Instant now = now();
    return store.balance(claim, now, wait).map(balance -> scope.status(balance, now));
  }

  /**
   * Returns the state of every budget, and of each count that this client has used; none while the
   * store does not work, or is too slow for all of them.
   */
  public List<BudgetStatus> statuses() {
    Instant now = now();
    long until = time.nanos() + STATUSES_LIMIT.toNanos();
    List<BudgetStatus> statuses = new ArrayList<>();
    for (BudgetScope scope : seen) {
      Optional<BudgetStatus> status = status(scope, scope.claim(0, now), StoreWait.ofNoCall());
      if (status.isEmpty() || time.nanos() - until > 0) {
        return List.of();
      }
      statuses.add(status.get());
    }
    statuses.sort(
        Comparator.comparing((BudgetStatus status) -> status.budget().name())
            .thenComparing(BudgetStatus::scope));
    return List.copyOf(statuses);
  }

  /**
   * Settles what can be within two seconds.
   *
   * @param callsEnded completed when no call runs any more, for which it waits a second
   */
  public void close(CompletableFuture<?> callsEnded) {
    renewal.close();
    if (store.mayBlock()) {
      await(callsEnded);
    }
    settlements.close(CLOSE_LIMIT);
    store.close();
  }

  private static void await(CompletableFuture<?> callsEnded) {
    try {
      Object unused = callsEnded.get(CALLS_LIMIT.toNanos(), TimeUnit.NANOSECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (ExecutionException | TimeoutException e) {
      // What ends later settles on threads of its own.
    }
  }
}
