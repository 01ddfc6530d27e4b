// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testing;

import dev.offmeter.guard.BudgetStore;
import java.time.Instant;
import java.util.List;

/** A store in memory that may block, and whose methods a test can fail or hold up. */
public abstract class InterceptedBudgetStore implements BudgetStore {
  private final BudgetStore works = BudgetStore.inMemory();

  /** Called before a method does its work; what this throws, the method throws. */
  protected abstract void before(String method);

  @Override
  public int reserve(String name, List<Claim> claims, Instant now, Instant leaseEnd) {
    before("reserve");
    return works.reserve(name, claims, now, leaseEnd);
  }

  @Override
  public void settle(String name, List<Claim> claims, List<Long> used, Instant now) {
    before("settle");
    works.settle(name, claims, used, now);
  }

  @Override
  public void renew(String name, List<Claim> claims, Instant now, Instant leaseEnd) {
    before("renew");
    works.renew(name, claims, now, leaseEnd);
  }

  @Override
  public Balance balance(Claim claim, Instant now) {
    before("balance");
    return works.balance(claim, now);
  }
}
