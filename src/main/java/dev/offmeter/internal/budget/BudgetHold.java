// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.budget;

import dev.offmeter.guard.BudgetStore.Claim;
import dev.offmeter.internal.meter.AttemptBill;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * What one attempt has reserved. Whoever gets it must {@link #settle} it; only the first time
 * counts.
 */
public final class BudgetHold {
  /** Holds nothing. */
  static final BudgetHold NOTHING = new BudgetHold(null, "", List.of(), List.of());

  private final @Nullable BudgetKeeper keeper;
  private final String reservation;
  private final List<BudgetScope> scopes;
  private final List<Claim> claims;
  private final AtomicBoolean settled = new AtomicBoolean();

  BudgetHold(
      @Nullable BudgetKeeper keeper,
      String reservation,
      List<BudgetScope> scopes,
      List<Claim> claims) {
    this.keeper = keeper;
    this.reservation = reservation;
    this.scopes = scopes;
    this.claims = claims;
  }

  /** Counts what the attempt used in place of what it has reserved. */
  public void settle(AttemptBill bill) {
    if (keeper == null || !settled.compareAndSet(false, true)) {
      return;
    }
    List<Long> used = new ArrayList<>(scopes.size());
    scopes.forEach(scope -> used.add(scope.used(bill)));
    keeper.settle(reservation, scopes, claims, used);
  }
}
