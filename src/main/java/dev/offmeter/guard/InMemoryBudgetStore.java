// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.guard;

import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.locks.ReentrantLock;

/** Keeps counts in the memory of one process, under one lock. */
final class InMemoryBudgetStore implements BudgetStore {
  /** A rolling window forgets in as many parts. */
  private static final int SLICES = 60;

  /** Beyond this many counts, those are forgotten whose window has ended long ago. */
  private static final int MANY = 10_000;

  /** A request that was sent in a window may be settled so long after its end. */
  private static final Duration LONGEST_CALL = Duration.ofHours(24);

  private static final Duration SEARCH = Duration.ofHours(1);

  private final ReentrantLock lock = new ReentrantLock();

  // Guarded by the lock.
  private final Map<String, Account> accounts = new HashMap<>();
  private final Map<String, Reservation> reservations = new HashMap<>();
  private Instant nextLeaseEnd = Instant.MAX;

  // Old counts are looked for when there are twice as many or an hour has passed, and not at each
  // request: that would read all of them each time.
  private int crowded = MANY;
  private Instant nextSearch = Instant.MIN;

  private record Reservation(List<Claim> claims, Instant leaseEnd) {}

  /** One count. */
  private static final class Account {
    private final TreeMap<Long, Long> slices = new TreeMap<>();
    private long spent;
    private long reserved;
    private Instant windowEnd = Instant.MIN;

    void reserve(long amount) {
      reserved = sum(reserved, amount);
    }

    void spend(long amount, Claim claim, Instant now) {
      spent = sum(spent, amount);
      if (!claim.rolling().isZero()) {
        slices.merge(slice(claim, now), amount, Account::sum);
      }
    }

    void keepUntil(Instant end) {
      windowEnd = end.isAfter(windowEnd) ? end : windowEnd;
    }

    /** A sum that overflowed would leave room for anything. */
    private static long sum(long one, long other) {
      return one > Long.MAX_VALUE - other ? Long.MAX_VALUE : one + other;
    }

    /** Begins anew for a claim after a time in which nobody has kept the count: a session's. */
    void beginAnewIfEnded(Claim claim, Instant now) {
      boolean ended = now.isAfter(windowEnd) && now.isBefore(claim.windowEnd());
      if (ended && reserved == 0 && slices.isEmpty()) {
        spent = 0;
      }
    }

    /** Forgets what lies before the window. A slice is forgotten when its last moment is. */
    void forget(Claim claim, Instant now) {
      if (!claim.rolling().isZero()) {
        long start = now.minus(claim.rolling()).toEpochMilli();
        if (!slices.isEmpty() && slices.firstKey() <= start) {
          slices.headMap(start, true).clear();
          // Added up anew: what is subtracted from a sum that has stopped at its limit is too much.
          spent = slices.values().stream().reduce(0L, Account::sum);
        }
      }
    }

    /** Returns the end of a slice: windows of another length forget it in their time too. */
    private static long slice(Claim claim, Instant moment) {
      long length = Math.max(1, claim.rolling().toMillis() / SLICES);
      return (Math.floorDiv(moment.toEpochMilli(), length) + 1) * length;
    }
  }

  @Override
  public int reserve(String reservation, List<Claim> claims, Instant now, Instant leaseEnd) {
    lock.lock();
    try {
      endLeases(now);
      for (int i = 0; i < claims.size(); i++) {
        if (!fits(claims.get(i), now)) {
          return i;
        }
      }
      hold(reservation, claims, now, leaseEnd);
      return -1;
    } finally {
      lock.unlock();
    }
  }

  private void hold(String reservation, List<Claim> claims, Instant now, Instant leaseEnd) {
    for (Claim claim : claims) {
      account(claim, now).reserve(claim.amount());
    }
    reservations.put(reservation, new Reservation(claims, leaseEnd));
    nextLeaseEnd = earlier(nextLeaseEnd, leaseEnd);
  }

  @Override
  public void renew(String reservation, List<Claim> claims, Instant now, Instant leaseEnd) {
    lock.lock();
    try {
      Reservation held = reservations.remove(reservation);
      if (held != null) {
        giveBack(held);
      }
      hold(reservation, claims, now, leaseEnd);
    } finally {
      lock.unlock();
    }
  }

  private boolean fits(Claim claim, Instant now) {
    Account account = account(claim, now);
    account.beginAnewIfEnded(claim, now);
    account.keepUntil(claim.windowEnd());
    // Compared by subtraction: a sum could overflow.
    return claim.amount() <= claim.limit() - Account.sum(account.spent, account.reserved);
  }

  private Account account(Claim claim, Instant now) {
    int counts = accounts.size();
    if (counts >= MANY && (counts >= crowded || !now.isBefore(nextSearch))) {
      forgetOld(now);
      crowded = 2 * accounts.size();
      nextSearch = now.plus(SEARCH);
    }
    Account account = accounts.computeIfAbsent(claim.key(), key -> new Account());
    account.forget(claim, now);
    return account;
  }

  private void forgetOld(Instant now) {
    Instant then = now.minus(LONGEST_CALL);
    accounts
        .values()
        .removeIf(account -> account.reserved == 0 && account.windowEnd.isBefore(then));
  }

  /** Gives back what was reserved for so long that whoever did must have died. */
  private void endLeases(Instant now) {
    if (now.isBefore(nextLeaseEnd)) {
      return;
    }
    nextLeaseEnd = Instant.MAX;
    Iterator<Reservation> all = reservations.values().iterator();
    while (all.hasNext()) {
      Reservation reservation = all.next();
      if (now.isBefore(reservation.leaseEnd())) {
        nextLeaseEnd = earlier(nextLeaseEnd, reservation.leaseEnd());
      } else {
        giveBack(reservation);
        all.remove();
      }
    }
  }

  private static Instant earlier(Instant one, Instant other) {
    return one.isBefore(other) ? one : other;
  }

  private void giveBack(Reservation reservation) {
    for (Claim claim : reservation.claims()) {
      Account account = accounts.get(claim.key());
      if (account != null) {
        account.reserved = Math.max(0, account.reserved - claim.amount());
      }
    }
  }

  @Override
  public void settle(String reservation, List<Claim> claims, List<Long> used, Instant now) {
    lock.lock();
    try {
      Reservation held = reservations.remove(reservation);
      if (held != null) {
        giveBack(held);
      }
      for (int i = 0; i < claims.size(); i++) {
        Account account = account(claims.get(i), now);
        account.keepUntil(claims.get(i).windowEnd());
        account.spend(used.get(i), claims.get(i), now);
      }
    } finally {
      lock.unlock();
    }
  }

  @Override
  public boolean mayBlock() {
    return false;
  }

  @Override
  public Balance balance(Claim claim, Instant now) {
    lock.lock();
    try {
      endLeases(now);
      Account account = accounts.get(claim.key());
      if (account == null) {
        return new Balance(0, 0);
      }
      account.forget(claim, now);
      account.beginAnewIfEnded(claim, now);
      return new Balance(account.spent, account.reserved);
    } finally {
      lock.unlock();
    }
  }
}
