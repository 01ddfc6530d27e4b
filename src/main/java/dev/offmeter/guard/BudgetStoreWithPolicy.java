// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.guard;

import java.time.Instant;
import java.util.List;
import java.util.Objects;

/** A store with another answer to what happens while it does not work. */
final class BudgetStoreWithPolicy implements BudgetStore {
  private final BudgetStore store;
  private final WhenUnavailable whenUnavailable;

  BudgetStoreWithPolicy(BudgetStore store, WhenUnavailable whenUnavailable) {
    this.store = store;
    this.whenUnavailable = Objects.requireNonNull(whenUnavailable, "whenUnavailable");
  }

  @Override
  public int reserve(String reservation, List<Claim> claims, Instant now, Instant leaseEnd) {
    return store.reserve(reservation, claims, now, leaseEnd);
  }

  @Override
  public void settle(String reservation, List<Claim> claims, List<Long> used, Instant now) {
    store.settle(reservation, claims, used, now);
  }

  @Override
  public void renew(String reservation, List<Claim> claims, Instant now, Instant leaseEnd) {
    store.renew(reservation, claims, now, leaseEnd);
  }

  @Override
  public Balance balance(Claim claim, Instant now) {
    return store.balance(claim, now);
  }

  @Override
  public boolean mayBlock() {
    return store.mayBlock();
  }

  @Override
  public WhenUnavailable whenUnavailable() {
    return whenUnavailable;
  }

  @Override
  public BudgetStore whenUnavailable(WhenUnavailable other) {
    return new BudgetStoreWithPolicy(store, other);
  }
}
