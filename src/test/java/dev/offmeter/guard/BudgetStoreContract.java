// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.guard;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.guard.BudgetStore.Balance;
import dev.offmeter.guard.BudgetStore.Claim;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * The contract of {@link BudgetStore}, for every implementation of it. A subclass says how a store
 * is made. Moments are whole milliseconds, and of the tests: nothing here waits for a clock.
 */
@Timeout(60)
public abstract class BudgetStoreContract {
  private static final Instant NOW = Instant.parse("2026-11-18T12:00:00Z");
  private static final Instant LEASE = NOW.plusSeconds(60);
  private static final Duration DAY = Duration.ofHours(24);

  private BudgetStore store;

  /** Returns a store over data of its own, in which there is no count yet. */
  protected abstract BudgetStore fresh();

  /**
   * Returns a second store over the data of the last {@link #fresh} one, as another process would
   * have it; the first itself if there can be only one.
   */
  protected abstract BudgetStore second();

  @BeforeEach
  void makeFresh() {
    store = fresh();
  }

  private static Claim claim(String key, long amount, long limit) {
    return new Claim(key, amount, limit, Instant.MAX, Duration.ZERO);
  }

  /** A claim in a window that ends in an hour. */
  private static Claim hourly(long amount, long limit) {
    return new Claim("hour", amount, limit, NOW.plus(Duration.ofHours(1)), Duration.ZERO);
  }

  private static Claim rolling(Instant now, long amount) {
    Duration hour = Duration.ofHours(1);
    return new Claim("rolling", amount, 10, now.plus(hour), hour);
  }

  private static Claim session(Instant now, long amount) {
    return new Claim("session", amount, 1, now.plus(DAY), Duration.ZERO);
  }

  private int reserve(String reservation, Claim... claims) {
    return store.reserve(reservation, List.of(claims), NOW, LEASE);
  }

  private void spend(String reservation, Claim claim, long used, Instant now) {
    assertThat(store.reserve(reservation, List.of(claim), now, now.plusSeconds(60))).isEqualTo(-1);
    store.settle(reservation, List.of(claim), List.of(used), now);
  }

  private Balance balance(Claim claim) {
    return store.balance(claim, NOW);
  }

  // What is reserved.

  @Test
  void aCountThatNobodyHasUsedIsZero() {
    assertThat(balance(claim("a", 0, 10))).isEqualTo(new Balance(0, 0));
    assertThat(balance(rolling(NOW, 0))).isEqualTo(new Balance(0, 0));
  }

  @Test
  void reservesUpToTheLimitAndNotBeyond() {
    assertThat(reserve("1", claim("a", 6, 10))).isEqualTo(-1);
    assertThat(reserve("2", claim("a", 5, 10))).isZero();
    assertThat(reserve("3", claim("a", 4, 10))).isEqualTo(-1);

    assertThat(balance(claim("a", 0, 10))).isEqualTo(new Balance(0, 10));
  }

  @Test
  void whatWasSpentLeavesSoMuchLessRoom() {
    spend("1", claim("a", 6, 10), 6, NOW);

    assertThat(reserve("2", claim("a", 5, 10))).isZero();
    assertThat(reserve("3", claim("a", 4, 10))).isEqualTo(-1);
    assertThat(balance(claim("a", 0, 10))).isEqualTo(new Balance(6, 4));
  }

  @Test
  void aClaimOfNothingFitsIntoAFullCount() {
    spend("1", claim("a", 10, 10), 10, NOW);

    assertThat(reserve("2", claim("a", 0, 10))).isEqualTo(-1);
    assertThat(reserve("3", claim("a", 1, 10))).isZero();
  }

  @Test
  void reservesAllClaimsTogether() {
    assertThat(reserve("1", claim("b", 2, 10), claim("a", 3, 10))).isEqualTo(-1);

    assertThat(balance(claim("a", 0, 10))).isEqualTo(new Balance(0, 3));
    assertThat(balance(claim("b", 0, 10))).isEqualTo(new Balance(0, 2));
  }

  @Test
  void reservesNoneIfOneDoesNotFitAndSaysWhich() {
    assertThat(reserve("1", claim("b", 5, 10), claim("a", 5, 4))).isEqualTo(1);
    assertThat(reserve("2", claim("a", 5, 10), claim("b", 5, 4), claim("c", 5, 10))).isEqualTo(1);

    for (String key : List.of("a", "b", "c")) {
      assertThat(balance(claim(key, 0, 10))).isEqualTo(new Balance(0, 0));
    }
  }

  @Test
  void saysTheFirstOfTwoThatDoNotFit() {
    assertThat(reserve("1", claim("z", 5, 4), claim("a", 5, 4))).isZero();
  }

  @Test
  void countsOfDifferentKeysDoNotMeet() {
    spend("1", claim("day 1", 10, 10), 10, NOW);

    assertThat(reserve("2", claim("day 2", 10, 10))).isEqualTo(-1);
  }

  @Test
  void aKeyMayBeAnyText() {
    String any = "x".repeat(5_000);
    List<String> keys =
        List.of("", " ", "a'b\"c\\d%_", "\u0000", "é 日本 \uD83D\uDE00", any, any + 1);
    for (String key : keys) {
      spend("of " + keys.indexOf(key), claim(key, 10, 10), 7, NOW);
    }
    for (String key : keys) {
      assertThat(balance(claim(key, 0, 10))).isEqualTo(new Balance(7, 0));
    }
  }

  // What is settled.

  @Test
  void settlesToWhatWasUsed() {
    spend("1", claim("a", 6, 10), 2, NOW);

    assertThat(balance(claim("a", 0, 10))).isEqualTo(new Balance(2, 0));
  }

  @Test
  void settlesEachClaimToWhatWasUsedOfIt() {
    List<Claim> claims = List.of(claim("b", 6, 10), claim("a", 6, 10));
    assertThat(store.reserve("1", claims, NOW, LEASE)).isEqualTo(-1);
    store.settle("1", claims, List.of(2L, 0L), NOW);

    assertThat(balance(claims.get(0))).isEqualTo(new Balance(2, 0));
    assertThat(balance(claims.get(1))).isEqualTo(new Balance(0, 0));
  }

  @Test
  void countsWhatWasUsedBeyondTheLimit() {
    spend("1", claim("a", 6, 10), 25, NOW);

    assertThat(balance(claim("a", 0, 10))).isEqualTo(new Balance(25, 0));
    assertThat(reserve("2", claim("a", 1, 10))).isZero();
  }

  @Test
  void settlingOneReservationLeavesTheOthers() {
    assertThat(reserve("1", claim("a", 6, 10))).isEqualTo(-1);
    assertThat(reserve("2", claim("a", 3, 10))).isEqualTo(-1);
    store.settle("2", List.of(claim("a", 3, 10)), List.of(1L), NOW);

    assertThat(balance(claim("a", 0, 10))).isEqualTo(new Balance(1, 6));
  }

  @Test
  void aChangedLimitDoesNotResetTheCount() {
    spend("1", claim("a", 6, 10), 6, NOW);

    assertThat(reserve("2", claim("a", 1, 5))).isZero();
    assertThat(reserve("3", claim("a", 14, 20))).isEqualTo(-1);
  }

  @Test
  void whatIsSettledAfterItsWindowIsCountedInIt() {
    List<Claim> claims = List.of(hourly(6, 10));
    assertThat(reserve("1", claims.get(0))).isEqualTo(-1);
    Instant later = NOW.plus(Duration.ofMinutes(90));
    store.settle("1", claims, List.of(6L), later);

    assertThat(store.balance(claims.get(0), later)).isEqualTo(new Balance(6, 0));
    // Another process's clock is behind, in the window that has ended.
    assertThat(second().reserve("2", List.of(hourly(5, 10)), NOW, LEASE)).isZero();
  }

  // Leases.

  @Test
  void aReservationEndsWithItsLeaseAndNotBefore() {
    assertThat(reserve("1", claim("a", 6, 10))).isEqualTo(-1);

    Instant last = LEASE.minusMillis(1);
    assertThat(store.balance(claim("a", 0, 10), last)).isEqualTo(new Balance(0, 6));
    assertThat(store.reserve("2", List.of(claim("a", 5, 10)), last, LEASE)).isZero();
    assertThat(store.balance(claim("a", 0, 10), LEASE)).isEqualTo(new Balance(0, 0));
    Instant next = LEASE.plusSeconds(60);
    assertThat(store.reserve("3", List.of(claim("a", 10, 10)), LEASE, next)).isEqualTo(-1);
    assertThat(store.balance(claim("a", 0, 10), LEASE)).isEqualTo(new Balance(0, 10));
  }

  @Test
  void aLeaseThatEndsGivesBackItsReservationOnce() {
    List<Claim> claims = List.of(claim("a", 6, 10));
    assertThat(store.reserve("1", claims, NOW, LEASE)).isEqualTo(-1);
    assertThat(store.reserve("2", List.of(claim("a", 4, 10)), NOW, LEASE.plusSeconds(60)))
        .isEqualTo(-1);

    assertThat(store.balance(claims.get(0), LEASE)).isEqualTo(new Balance(0, 4));
    assertThat(second().balance(claims.get(0), LEASE)).isEqualTo(new Balance(0, 4));
    store.settle("1", claims, List.of(1L), LEASE);
    assertThat(store.balance(claims.get(0), LEASE)).isEqualTo(new Balance(1, 4));
  }

  @Test
  void whatIsSettledAfterItsLeaseIsCountedAllTheSame() {
    List<Claim> claims = List.of(claim("a", 6, 10));
    assertThat(store.reserve("1", claims, NOW, LEASE)).isEqualTo(-1);
    Instant next = LEASE.plusSeconds(60);
    assertThat(store.reserve("2", List.of(claim("a", 10, 10)), LEASE, next)).isEqualTo(-1);
    store.settle("1", claims, List.of(6L), LEASE);

    assertThat(store.balance(claims.get(0), LEASE)).isEqualTo(new Balance(6, 10));
  }

  @Test
  void aRenewedLeaseEndsLater() {
    List<Claim> claims = List.of(claim("a", 6, 10), claim("b", 6, 10));
    assertThat(store.reserve("1", claims, NOW, LEASE)).isEqualTo(-1);
    Instant next = LEASE.plusSeconds(60);
    store.renew("1", claims, NOW.plusSeconds(30), next);

    for (Claim claim : claims) {
      assertThat(store.balance(claim, LEASE)).isEqualTo(new Balance(0, 6));
    }
    for (Claim claim : claims) {
      assertThat(store.balance(claim, next)).isEqualTo(new Balance(0, 0));
    }
  }

  @Test
  void aRenewedReservationIsReplacedByWhatWasUsed() {
    List<Claim> claims = List.of(claim("a", 6, 10));
    assertThat(store.reserve("1", claims, NOW, LEASE)).isEqualTo(-1);
    store.renew("1", claims, NOW, LEASE.plusSeconds(60));
    store.settle("1", claims, List.of(2L), LEASE);

    assertThat(store.balance(claims.get(0), LEASE)).isEqualTo(new Balance(2, 0));
  }

  @Test
  void aLeaseThatHadEndedIsRenewedBeyondTheLimit() {
    List<Claim> claims = List.of(claim("a", 6, 10));
    assertThat(store.reserve("1", claims, NOW, LEASE)).isEqualTo(-1);
    Instant next = LEASE.plusSeconds(60);
    assertThat(store.reserve("2", List.of(claim("a", 10, 10)), LEASE, next)).isEqualTo(-1);
    store.renew("1", claims, LEASE, next);

    assertThat(store.balance(claims.get(0), LEASE)).isEqualTo(new Balance(0, 16));
    store.settle("1", claims, List.of(1L), LEASE);
    assertThat(store.balance(claims.get(0), LEASE)).isEqualTo(new Balance(1, 10));
  }

  // Windows.

  @Test
  void aRollingWindowForgetsWhatIsOldAndNeverEarly() {
    spend("1", rolling(NOW, 10), 10, NOW);

    Instant almost = NOW.plus(Duration.ofHours(1));
    assertThat(store.balance(rolling(almost, 0), almost)).isEqualTo(new Balance(10, 0));
    assertThat(store.reserve("2", List.of(rolling(almost, 1)), almost, almost)).isZero();
    // A sixtieth of the window is forgotten together.
    Instant later = NOW.plus(Duration.ofMinutes(61));
    assertThat(store.balance(rolling(later, 0), later)).isEqualTo(new Balance(0, 0));
    spend("3", rolling(later, 10), 10, later);
  }

  @Test
  void aRollingWindowForgetsPartByPart() {
    for (int minutes = 0; minutes < 60; minutes += 20) {
      spend("at " + minutes, rolling(NOW, 2), 2, NOW.plus(Duration.ofMinutes(minutes)));
    }
    for (int gone = 0; gone <= 3; gone++) {
      Instant then = NOW.plus(Duration.ofMinutes(59 + 20L * gone)).plusSeconds(1);
      Balance left = new Balance(6 - 2L * gone, 0);
      assertThat(store.balance(rolling(then, 0), then)).isEqualTo(left);
    }
  }

  private static Claim rollingFor(Duration window, Instant now, long amount) {
    return new Claim("rolling", amount, 10, now.plus(window), window);
  }

  @Test
  void aRollingWindowThatBecomesShorterForgetsNothingEarly() {
    spend("1", rollingFor(DAY, NOW, 10), 10, NOW);
    Instant then = NOW.plus(Duration.ofMinutes(30));

    assertThat(store.reserve("2", List.of(rolling(then, 1)), then, then)).isZero();
    Instant later = NOW.plus(Duration.ofHours(2));
    assertThat(store.balance(rolling(later, 0), later)).isEqualTo(new Balance(0, 0));
  }

  @Test
  void aRollingWindowThatBecomesLongerForgetsAllInItsTime() {
    spend("1", rolling(NOW, 10), 10, NOW);
    Instant then = NOW.plus(Duration.ofMinutes(30));

    assertThat(store.reserve("2", List.of(rollingFor(DAY, then, 1)), then, then)).isZero();
    Instant later = NOW.plus(Duration.ofHours(25));
    assertThat(store.balance(rollingFor(DAY, later, 0), later)).isEqualTo(new Balance(0, 0));
  }

  @Test
  void aRollingWindowCountsWhatIsUsedWhenItIsSettled() {
    List<Claim> claims = List.of(rolling(NOW, 10));
    assertThat(store.reserve("1", claims, NOW, NOW.plus(DAY))).isEqualTo(-1);
    Instant settled = NOW.plus(Duration.ofMinutes(50));
    store.settle("1", claims, List.of(3L), settled);

    Instant then = NOW.plus(Duration.ofMinutes(100));
    assertThat(store.balance(rolling(then, 0), then)).isEqualTo(new Balance(3, 0));
  }

  @Test
  void aSessionBeginsAnewADayAfterItsLastRequest() {
    spend("1", session(NOW, 1), 1, NOW);

    Instant almost = NOW.plus(DAY);
    assertThat(store.reserve("2", List.of(session(almost, 1)), almost, almost)).isZero();
    // The refused request has kept the session too.
    Instant stillKept = almost.plus(DAY);
    assertThat(store.balance(session(stillKept, 0), stillKept)).isEqualTo(new Balance(1, 0));
    Instant later = stillKept.plusMillis(1);
    assertThat(store.balance(session(later, 0), later)).isEqualTo(new Balance(0, 0));
    spend("3", session(later, 1), 1, later);
    assertThat(store.balance(session(later, 0), later)).isEqualTo(new Balance(1, 0));
  }

  @Test
  void aSessionWithARequestUnderWayDoesNotBeginAnew() {
    Claim first = new Claim("session", 1, 5, NOW.plus(DAY), Duration.ZERO);
    spend("1", first, 1, NOW);
    Instant later = NOW.plus(DAY).plusSeconds(1);
    assertThat(store.reserve("2", List.of(first), NOW, later.plusSeconds(1))).isEqualTo(-1);

    Claim next = new Claim("session", 0, 5, later.plus(DAY), Duration.ZERO);
    assertThat(store.balance(next, later)).isEqualTo(new Balance(1, 1));
    assertThat(store.balance(next, later.plusSeconds(1))).isEqualTo(new Balance(0, 0));
  }

  @Test
  void aCountWithoutAnEndIsNeverForgotten() {
    spend("1", claim("a", 6, 10), 6, NOW);

    Instant years = NOW.plus(Duration.ofDays(4_000));
    assertThat(store.balance(claim("a", 0, 10), years)).isEqualTo(new Balance(6, 0));
    assertThat(store.reserve("2", List.of(claim("a", 5, 10)), years, years)).isZero();
  }

  // Amounts beyond all numbers.

  @Test
  void aClaimWithoutALimitAlwaysFits() {
    spend("1", claim("a", 6, Long.MAX_VALUE), 25, NOW);

    assertThat(reserve("2", claim("a", 1_000_000, Long.MAX_VALUE))).isEqualTo(-1);
    assertThat(balance(claim("a", 0, 10))).isEqualTo(new Balance(25, 1_000_000));
  }

  @Test
  void amountsBeyondAllNumbersLeaveNoRoom() {
    Claim any = claim("a", Long.MAX_VALUE, Long.MAX_VALUE);
    for (String name : List.of("1", "2")) {
      store.settle(name, List.of(any), List.of(Long.MAX_VALUE), NOW);
    }

    assertThat(balance(any)).isEqualTo(new Balance(Long.MAX_VALUE, 0));
    assertThat(reserve("3", claim("a", 1, 10))).isZero();
    assertThat(reserve("4", any)).isZero();
  }

  @Test
  void aReservationOfAllNumbersLeavesNoRoom() {
    assertThat(reserve("1", claim("a", Long.MAX_VALUE, Long.MAX_VALUE))).isEqualTo(-1);

    assertThat(reserve("2", claim("a", 1, Long.MAX_VALUE))).isZero();
    assertThat(balance(claim("a", 0, 1))).isEqualTo(new Balance(0, Long.MAX_VALUE));
    store.settle("1", List.of(claim("a", Long.MAX_VALUE, 10)), List.of(1L), NOW);
    assertThat(balance(claim("a", 0, 1))).isEqualTo(new Balance(1, 0));
  }

  @Test
  void aRollingWindowOfAllNumbersLeavesNoRoom() {
    for (int i = 0; i < 3; i++) {
      Instant then = NOW.plus(Duration.ofMinutes(5 * (i / 2)));
      store.settle("r" + i, List.of(rolling(then, 1)), List.of(Long.MAX_VALUE), then);
    }

    assertThat(balance(rolling(NOW, 0))).isEqualTo(new Balance(Long.MAX_VALUE, 0));
    assertThat(reserve("1", rolling(NOW, 1))).isZero();
    // The first two have passed, and the third has not.
    Instant later = NOW.plus(Duration.ofMinutes(61)).plusSeconds(30);
    assertThat(store.balance(rolling(later, 0), later).spent()).isEqualTo(Long.MAX_VALUE);
  }

  // Several at once.

  @Test
  void twoStoresOverTheSameDataAreOne() {
    BudgetStore other = second();
    List<Claim> claims = List.of(claim("a", 6, 10));
    assertThat(store.reserve("1", claims, NOW, LEASE)).isEqualTo(-1);

    assertThat(other.reserve("2", List.of(claim("a", 5, 10)), NOW, LEASE)).isZero();
    other.settle("1", claims, List.of(2L), NOW);
    assertThat(store.balance(claims.get(0), NOW)).isEqualTo(new Balance(2, 0));
    assertThat(store.reserve("3", List.of(claim("a", 8, 10)), NOW, LEASE)).isEqualTo(-1);
  }

  @Test
  void ofManyThreadsOneReservesTheLastRoom() throws Exception {
    for (int round = 0; round < 5; round++) {
      assertThat(reserveInThreads("round " + round, 1)).containsOnlyOnce(-1).containsOnly(-1, 0);
    }
  }

  @Test
  void ofManyThreadsAsManyReserveAsThereIsRoomFor() throws Exception {
    for (int round = 0; round < 5; round++) {
      spend("first " + round, claim("round " + round, 1, 1), 1, NOW);
      List<Integer> results = reserveInThreads("round " + round, 31);

      assertThat(results.stream().filter(refused -> refused < 0)).hasSize(30);
      assertThat(balance(claim("round " + round, 0, 31))).isEqualTo(new Balance(1, 30));
    }
  }

  private List<Integer> reserveInThreads(String key, int limit) throws Exception {
    BudgetStore other = second();
    return inThreads(
        i -> {
          BudgetStore either = i % 2 == 0 ? store : other;
          return either.reserve(key + " by " + i, List.of(claim(key, 1, limit)), NOW, LEASE);
        });
  }

  @Test
  void threadsThatClaimInDifferentOrdersDoNotBlockEachOther() throws Exception {
    List<Claim> claims = List.of(claim("a", 1, 40), claim("b", 1, 30), claim("c", 1, 50));
    List<Claim> reversed = List.of(claims.get(2), claims.get(1), claims.get(0));

    List<Integer> results =
        inThreads(
            i -> {
              List<Claim> either = i % 2 == 0 ? claims : reversed;
              int refused = store.reserve("r" + i, either, NOW, LEASE);
              if (refused < 0) {
                store.settle("r" + i, either, List.of(1L, 1L, 1L), NOW);
              }
              return refused;
            });

    assertThat(results.stream().filter(refused -> refused < 0)).hasSize(30);
    for (Claim claim : claims) {
      assertThat(balance(claim)).isEqualTo(new Balance(30, 0));
    }
  }

  @Test
  void nothingIsLostWhenManySettleAtOnce() throws Exception {
    BudgetStore other = second();
    Claim one = claim("a", 1, THREADS);

    inThreads(
        i -> {
          BudgetStore either = i % 2 == 0 ? store : other;
          assertThat(either.reserve("r" + i, List.of(one), NOW, LEASE)).isEqualTo(-1);
          either.settle("r" + i, List.of(one), List.of(1L), NOW);
          return 0;
        });

    assertThat(balance(one)).isEqualTo(new Balance(THREADS, 0));
  }

  private static final int THREADS = 64;

  private interface Action {
    int run(int thread) throws Exception;
  }

  private static List<Integer> inThreads(Action action) throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(THREADS);
    try {
      CountDownLatch start = new CountDownLatch(1);
      List<Future<Integer>> all = new ArrayList<>();
      for (int i = 0; i < THREADS; i++) {
        int thread = i;
        all.add(
            threads.submit(
                () -> {
                  start.await();
                  return action.run(thread);
                }));
      }
      start.countDown();
      List<Integer> results = new ArrayList<>();
      for (Future<Integer> each : all) {
        results.add(each.get());
      }
      return results;
    } finally {
      threads.shutdownNow();
    }
  }
}
