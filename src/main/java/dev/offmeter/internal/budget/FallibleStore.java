// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.budget;

import dev.offmeter.guard.BudgetStore;
import dev.offmeter.guard.BudgetStore.Balance;
import dev.offmeter.guard.BudgetStore.Claim;
import dev.offmeter.internal.UserCode;
import dev.offmeter.internal.UserCode.UserCodeException;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A budget store that may fail: the application's own code, or a database that is down. What it
 * throws never reaches a call; the log has one WARN from the first failure to the next success.
 * Safe for use by many threads.
 */
final class FallibleStore {
  private static final Logger LOG = LoggerFactory.getLogger("dev.offmeter");

  private final BudgetStore store;

  /** The method that failed first and has not worked since; null if all work. */
  private final AtomicReference<@Nullable String> failing = new AtomicReference<>();

  FallibleStore(BudgetStore store) {
    this.store = store;
  }

  /**
   * Reserves; empty if the store failed, and else the index of the claim that did not fit or -1.
   */
  Optional<Integer> reserve(String reservation, List<Claim> claims, Instant now, Instant leaseEnd) {
    return tried(
        "reserve",
        () -> {
          int refused = store.reserve(reservation, claims, now, leaseEnd);
          if (refused < -1 || refused >= claims.size()) {
            throw new IllegalStateException(
                "reserve must return the index of a claim or -1, was " + refused);
          }
          return refused;
        });
  }

  /** Settles, if the store works; returns whether it does. */
  boolean trySettle(String reservation, List<Claim> claims, List<Long> used, Instant now) {
    return tried(
            "settle",
            () -> {
              store.settle(reservation, claims, used, now);
              return true;
            })
        .isPresent();
  }

  /** Returns the state of a count; empty if the store failed. */
  Optional<Balance> balance(Claim claim, Instant now) {
    return tried("balance", () -> store.balance(claim, now));
  }

  private <T> Optional<T> tried(String method, Callable<T> asked) {
    try {
      Optional<T> result = Optional.of(UserCode.call(asked));
      if (method.equals(failing.get())) {
        failing.set(null);
      }
      return result;
    } catch (UserCodeException e) {
      warnOnce(method, e.description());
    } catch (NullPointerException e) {
      warnOnce(method, "null");
    }
    return Optional.empty();
  }

  private void warnOnce(String method, String thrown) {
    if (failing.compareAndSet(null, method)) {
      UserCode.ignore(
          () ->
              LOG.warn(
                  "the budget store does not work: {} threw {}; while reserve does, endpoints that"
                      + " are not free are skipped",
                  method,
                  thrown));
    }
  }
}
