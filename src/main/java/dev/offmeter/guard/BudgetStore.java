// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.guard;

import java.time.Duration;
import java.time.Instant;
import java.util.List;

/**
 * Keeps the counts of budgets. All calls of a client, by many threads at once, go through one; an
 * implementation that several processes share makes their budgets one.
 *
 * <p>A method that throws, or takes longer than a second or than the call has left, fails no call:
 * then {@link #whenUnavailable()} says what happens. The methods of a store that {@link
 * #mayBlock()} run on threads of the client's, up to 16 at once. When the time is over, the thread
 * is interrupted, and what it does afterwards is ignored.
 *
 * <p>All moments are of the asking process's clock. The clocks of processes that share a store must
 * agree to within some seconds; a lease has a minute of margin for that.
 */
public interface BudgetStore {
  /**
   * Part of a reservation: in one budget.
   *
   * @param key names the count, its window included
   * @param amount the most that will be used, at least 0
   * @param limit the most that may be spent and reserved together; {@code Long.MAX_VALUE} for none
   * @param windowEnd when the count may be forgotten; {@link Instant#MAX} for never
   * @param rolling the length of a rolling window; zero for any other
   */
  record Claim(String key, long amount, long limit, Instant windowEnd, Duration rolling) {}

  /**
   * The state of a count.
   *
   * @param spent what was used
   * @param reserved what is reserved and not settled
   */
  record Balance(long spent, long reserved) {}

  /** The treatment of requests that fall under a budget while its store does not work. */
  enum WhenUnavailable {
    /** Endpoints that are not free are skipped; free ones are asked. */
    REFUSE_PAID,
    /** All are asked, as if there were no budget. What they use is not counted. */
    ALLOW,
    /** All that fall under the budget are skipped, free ones too. */
    REFUSE
  }

  /**
   * Reserves all claims, or none if one does not fit, atomically for all threads and processes.
   *
   * @param reservation a name that no other reservation has
   * @param leaseEnd when the reservation is given back if nobody settles it
   * @return the index of the first claim that does not fit; -1 if all are reserved
   */
  int reserve(String reservation, List<Claim> claims, Instant now, Instant leaseEnd);

  /**
   * Replaces a reservation by what was used. If its lease has ended meanwhile, what was used is
   * counted all the same. Called again after it threw or took too long, until it returns: the same
   * reservation must be counted once, for an hour at the least.
   *
   * @param claims those that were reserved
   * @param used for each claim
   */
  void settle(String reservation, List<Claim> claims, List<Long> used, Instant now);

  /**
   * Puts the end of a reservation's lease off. If the lease has ended meanwhile, the claims are
   * reserved again, even beyond their limits: the request is under way.
   *
   * @param claims those that were reserved
   */
  void renew(String reservation, List<Claim> claims, Instant now, Instant leaseEnd);

  /** Returns the state of a count at a moment; zeros if there is none. */
  Balance balance(Claim claim, Instant now);

  /**
   * Returns whether a method may wait for something outside the process, such as a database.
   * Default: true. If not, methods run on the threads of the calls, without a limit.
   */
  default boolean mayBlock() {
    return true;
  }

  /** Returns what happens while this store does not work. Default: {@code REFUSE_PAID}. */
  default WhenUnavailable whenUnavailable() {
    return WhenUnavailable.REFUSE_PAID;
  }

  /** Returns this store with another answer to what happens while it does not work. */
  default BudgetStore whenUnavailable(WhenUnavailable whenUnavailable) {
    return new BudgetStoreWithPolicy(this, whenUnavailable);
  }

  /** Returns a new store in the memory of this process. Its counts begin at 0. */
  static BudgetStore inMemory() {
    return new InMemoryBudgetStore();
  }
}
