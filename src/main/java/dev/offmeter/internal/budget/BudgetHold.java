// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.budget;

import dev.offmeter.guard.BudgetStore.Claim;
import dev.offmeter.internal.meter.AttemptBill;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * What one attempt has reserved. Whoever gets it must {@link #settle} it; only the first time
 * counts.
 */
public final class BudgetHold {
  /** Holds nothing. */
  static final BudgetHold NOTHING =
      new BudgetHold(null, "", List.of(), List.of(), Duration.ZERO, StoreWait.ofNoCall());

  private final @Nullable BudgetKeeper keeper;
  private final String reservation;
  private final List<BudgetScope> scopes;
  private final List<Claim> claims;
  private final Duration lease;
  private final StoreWait wait;
  private final ReentrantLock lock = new ReentrantLock();

  // Guarded by the lock.
  private boolean settled;
  private boolean renewing;
  private @Nullable Settlement afterRenewal;

  /**
   * Creates what was reserved.
   *
   * @param lease after which it ends if this process does
   * @param wait bounds how long the call waits when it settles
   */
  BudgetHold(
      @Nullable BudgetKeeper keeper,
      String reservation,
      List<BudgetScope> scopes,
      List<Claim> claims,
      Duration lease,
      StoreWait wait) {
    this.keeper = keeper;
    this.reservation = reservation;
    this.scopes = scopes;
    this.claims = claims;
    this.lease = lease;
    this.wait = wait;
  }

  Duration lease() {
    return lease;
  }

  /** Counts what the attempt used in place of what it has reserved. */
  public void settle(AttemptBill bill) {
    if (keeper != null) {
      settle(keeper, beginSettling(keeper, bill));
    }
  }

  private void settle(BudgetKeeper keeper, @Nullable Settlement settlement) {
    if (settlement != null) {
      keeper.settle(this, scopes, settlement, wait);
    }
  }

  /** Returns null if it is settled already, or will be when a renewal has ended. */
  private @Nullable Settlement beginSettling(BudgetKeeper keeper, AttemptBill bill) {
    lock.lock();
    try {
      if (settled) {
        return null;
      }
      settled = true;
      Settlement settlement = new Settlement(reservation, claims, used(bill));
      if (renewing) {
        afterRenewal = settlement;
        keeper.onDeferredSettlement(1);
      }
      return renewing ? null : settlement;
    } finally {
      lock.unlock();
    }
  }

  private List<Long> used(AttemptBill bill) {
    List<Long> used = new ArrayList<>(scopes.size());
    scopes.forEach(scope -> used.add(scope.used(bill)));
    return used;
  }

  /**
   * Renews on the caller's thread, for as long as the store takes. A settlement that comes
   * meanwhile follows it: what is renewed after it would be reserved for nobody.
   *
   * @return whether it was renewed
   */
  boolean renew(LimitedStore store, Instant now) {
    if (keeper == null || !tryBeginRenewal()) {
      return false;
    }
    boolean renewed = store.tryRenewHere(reservation, claims, now, now.plus(lease));
    Settlement deferred = endRenewal();
    settle(keeper, deferred);
    if (deferred != null) {
      keeper.onDeferredSettlement(-1);
    }
    return renewed;
  }

  private boolean tryBeginRenewal() {
    lock.lock();
    try {
      boolean begun = !settled && !renewing;
      renewing |= begun;
      return begun;
    } finally {
      lock.unlock();
    }
  }

  private @Nullable Settlement endRenewal() {
    lock.lock();
    try {
      renewing = false;
      return afterRenewal;
    } finally {
      lock.unlock();
    }
  }
}
