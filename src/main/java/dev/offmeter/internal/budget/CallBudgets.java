// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.budget;

import dev.offmeter.ChatRequest;
import dev.offmeter.FailureKind;
import dev.offmeter.guard.Budget;
import dev.offmeter.guard.BudgetStatus;
import dev.offmeter.guard.BudgetStore.Claim;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.http.EndpointConfig;
import dev.offmeter.meter.Price;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/** The budgets under which one call falls. Used by the threads of the call and of its hedge. */
public final class CallBudgets {
  /** The budgets of a call that falls under none. */
  public static final CallBudgets NONE = new CallBudgets(null, List.of(), false);

  /** Beyond the longest that an attempt may take, before its reservation is given back. */
  private static final Duration LEASE_MARGIN = Duration.ofMinutes(1);

  private static final String STORE_FAILED = "the budget store does not work";

  private final @Nullable BudgetKeeper keeper;
  private final List<BudgetScope> scopes;
  private final boolean streamed;
  private final ReentrantLock lock = new ReentrantLock();

  // Guarded by the lock.
  private final Set<BudgetScope> counted = new HashSet<>();
  private @Nullable BudgetStatus refused;

  CallBudgets(@Nullable BudgetKeeper keeper, List<BudgetScope> scopes, boolean streamed) {
    this.keeper = keeper;
    this.scopes = scopes;
    this.streamed = streamed;
  }

  /**
   * Reserves the most that a request to an endpoint can use, in every budget that it falls under.
   *
   * @param wait bounds how long the call waits for the store, now and when it settles
   * @throws AttemptException if one of them has no room for it
   */
  public BudgetHold reserve(EndpointConfig config, ChatRequest request, StoreWait wait)
      throws AttemptException {
    if (keeper == null) {
      return BudgetHold.NOTHING;
    }
    lock.lock();
    try {
      return reserve(keeper, config, request, wait);
    } finally {
      lock.unlock();
    }
  }

  private BudgetHold reserve(
      BudgetKeeper keeper, EndpointConfig config, ChatRequest request, StoreWait wait)
      throws AttemptException {
    List<BudgetScope> applicable =
        scopes.stream()
            .filter(scope -> isUnder(scope.budget(), config) && !counted.contains(scope))
            .toList();
    if (applicable.isEmpty()) {
      return BudgetHold.NOTHING;
    }
    Duration longest = longest(config);
    WorstCase worst = new WorstCase(config, request, longest);
    Instant now = keeper.now();
    List<Claim> claims = new ArrayList<>(applicable.size());
    applicable.forEach(scope -> claims.add(scope.claim(worst.amount(scope.budget()), now)));
    Optional<BudgetKeeper.Reserved> reserved =
        keeper.reserve(applicable, claims, longest.plus(LEASE_MARGIN), wait);
    if (reserved.isEmpty()) {
      throwUnlessSentUnasked(keeper, applicable, config);
      return BudgetHold.NOTHING;
    }
    int full = reserved.get().notFitting();
    if (full >= 0) {
      throw refusal(keeper, applicable.get(full), claims.get(full), wait);
    }
    applicable.stream().filter(scope -> isOncePerCall(scope.budget())).forEach(counted::add);
    return reserved.get().hold();
  }

  private static void throwUnlessSentUnasked(
      BudgetKeeper keeper, List<BudgetScope> applicable, EndpointConfig config)
      throws AttemptException {
    boolean warnsOnly =
        applicable.stream()
            .allMatch(scope -> scope.budget().whenExceeded() == Budget.WhenExceeded.WARN);
    Optional<String> refusal = refusalWithoutStore(keeper, config);
    if (!warnsOnly && refusal.isPresent()) {
      throw AttemptException.of(FailureKind.BUDGET_EXCEEDED, refusal.get());
    }
  }

  private static Optional<String> refusalWithoutStore(BudgetKeeper keeper, EndpointConfig config) {
    return switch (keeper.whenUnavailable()) {
      case ALLOW -> Optional.empty();
      case REFUSE -> Optional.of(STORE_FAILED);
      case REFUSE_PAID ->
          isFree(config)
              ? Optional.empty()
              : Optional.of(STORE_FAILED + ", and the endpoint is not free");
    };
  }

  private static boolean isFree(EndpointConfig config) {
    Price price = config.price();
    return price != null && price.isFree();
  }

  private AttemptException refusal(
      BudgetKeeper keeper, BudgetScope scope, Claim claim, StoreWait wait) {
    Optional<BudgetStatus> status = keeper.status(scope, claim, wait);
    if (status.isEmpty()) {
      return AttemptException.of(FailureKind.BUDGET_EXCEEDED, STORE_FAILED);
    }
    keeper.onRefused(claim, status.get());
    if (refused == null) {
      refused = status.get();
    }
    return AttemptException.of(FailureKind.BUDGET_EXCEEDED, refusalMessage(status.get(), claim));
  }

  /** A call budget of all endpoints counts calls, and not the requests that a call makes. */
  private static boolean isOncePerCall(Budget budget) {
    return budget.unit() == Budget.Unit.CALLS && budget.endpoint().isEmpty();
  }

  private static boolean isUnder(Budget budget, EndpointConfig config) {
    if (budget.endpoint().isPresent() && !budget.endpoint().get().equals(config.name())) {
      return false;
    }
    Price price = config.price();
    return budget.unit() == Budget.Unit.MONEY
        ? price != null && !price.isFree()
        : !config.isLocal();
  }

  private Duration longest(EndpointConfig config) {
    Duration attempt = config.timeouts().attempt();
    return streamed ? attempt.plus(config.timeouts().stream()) : attempt;
  }

  /** Returns whether a budget may reject the call before anything is sent. */
  public boolean mayReject() {
    for (BudgetScope scope : scopes) {
      if (scope.budget().whenExceeded() == Budget.WhenExceeded.REJECT) {
        return true;
      }
    }
    return false;
  }

  /**
   * Returns the first budget of those that reject that has no room for a request to one of the
   * endpoints; empty if all have.
   */
  public Optional<BudgetStatus> rejecting(
      List<EndpointConfig> configs, ChatRequest request, StoreWait wait) {
    if (keeper == null) {
      return Optional.empty();
    }
    for (BudgetScope scope : scopes) {
      List<EndpointConfig> under =
          configs.stream().filter(config -> isUnder(scope.budget(), config)).toList();
      if (scope.budget().whenExceeded() == Budget.WhenExceeded.REJECT && !under.isEmpty()) {
        // Asked once for all endpoints, and not again if the store fails: a call waits meanwhile.
        Claim most = most(keeper, scope, under, request);
        Optional<BudgetStatus> status = keeper.status(scope, most, wait);
        if (status.isEmpty()) {
          return Optional.empty();
        }
        if (most.amount() > status.get().left()) {
          keeper.onRefused(most, status.get());
          return status;
        }
      }
    }
    return Optional.empty();
  }

  /** Returns the largest of the claims of a request to one of the endpoints. */
  private Claim most(
      BudgetKeeper keeper, BudgetScope scope, List<EndpointConfig> under, ChatRequest request) {
    return under.stream()
        .map(config -> claim(keeper, scope, config, request))
        .max(Comparator.comparingLong(Claim::amount))
        .orElseThrow();
  }

  private Claim claim(
      BudgetKeeper keeper, BudgetScope scope, EndpointConfig config, ChatRequest request) {
    long most = new WorstCase(config, request, longest(config)).amount(scope.budget());
    return scope.claim(most, keeper.now());
  }

  /**
   * Returns why a request to an endpoint would be refused as it stands now; empty if it would not.
   * Nothing is reserved.
   */
  public Optional<String> refusalNow(EndpointConfig config, ChatRequest request) {
    if (keeper == null) {
      return Optional.empty();
    }
    for (BudgetScope scope : scopes) {
      Budget budget = scope.budget();
      if (isUnder(budget, config) && budget.whenExceeded() != Budget.WhenExceeded.WARN) {
        Claim claim = claim(keeper, scope, config, request);
        Optional<BudgetStatus> status = keeper.status(scope, claim, StoreWait.ofNoCall());
        if (status.isEmpty()) {
          return refusalWithoutStore(keeper, config);
        }
        if (claim.amount() > status.get().left()) {
          return Optional.of(refusalMessage(status.get(), claim));
        }
      }
    }
    return Optional.empty();
  }

  private static String refusalMessage(BudgetStatus status, Claim claim) {
    return "no room for up to " + status.budget().shown(claim.amount()) + " in budget " + status;
  }

  /** Returns the first budget that had no room for a request of this call. */
  public Optional<BudgetStatus> refused() {
    lock.lock();
    try {
      return Optional.ofNullable(refused);
    } finally {
      lock.unlock();
    }
  }
}
