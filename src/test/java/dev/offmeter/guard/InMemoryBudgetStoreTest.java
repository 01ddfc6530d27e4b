// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.guard;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.guard.BudgetStore.Balance;
import dev.offmeter.guard.BudgetStore.Claim;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class InMemoryBudgetStoreTest {
  private static final Instant NOW = Instant.parse("2026-11-18T12:00:00Z");
  private static final Instant LEASE = NOW.plusSeconds(60);

  private final BudgetStore store = BudgetStore.inMemory();

  private static Claim claim(String key, long amount, long limit) {
    return new Claim(key, amount, limit, Instant.MAX, Duration.ZERO);
  }

  private static Claim rolling(long amount) {
    return new Claim("r", amount, 10, NOW.plusSeconds(7200), Duration.ofHours(1));
  }

  @Test
  void reservesUpToTheLimitAndNotBeyond() {
    assertThat(store.reserve("1", List.of(claim("a", 6, 10)), NOW, LEASE)).isEqualTo(-1);
    assertThat(store.reserve("2", List.of(claim("a", 5, 10)), NOW, LEASE)).isZero();
    assertThat(store.reserve("3", List.of(claim("a", 4, 10)), NOW, LEASE)).isEqualTo(-1);

    assertThat(store.balance(claim("a", 0, 10), NOW)).isEqualTo(new Balance(0, 10));
  }

  @Test
  void reservesAllOrNothing() {
    assertThat(store.reserve("1", List.of(claim("a", 5, 10), claim("b", 5, 4)), NOW, LEASE))
        .isEqualTo(1);

    assertThat(store.balance(claim("a", 0, 10), NOW)).isEqualTo(new Balance(0, 0));
  }

  @Test
  void settlesToWhatWasUsed() {
    List<Claim> claims = List.of(claim("a", 6, 10));
    assertThat(store.reserve("1", claims, NOW, LEASE)).isEqualTo(-1);
    store.settle("1", claims, List.of(2L), NOW);

    assertThat(store.balance(claims.get(0), NOW)).isEqualTo(new Balance(2, 0));
  }

  @Test
  void aLeaseThatEndsGivesBackItsReservationOnce() {
    List<Claim> claims = List.of(claim("a", 6, 10));
    assertThat(store.reserve("1", claims, NOW, LEASE)).isEqualTo(-1);

    assertThat(store.reserve("2", List.of(claim("a", 5, 10)), LEASE.minusNanos(1), LEASE)).isZero();
    assertThat(store.balance(claims.get(0), LEASE)).isEqualTo(new Balance(0, 0));

    store.settle("1", claims, List.of(6L), LEASE);
    assertThat(store.balance(claims.get(0), LEASE)).isEqualTo(new Balance(6, 0));
  }

  @Test
  void aChangedLimitDoesNotResetTheCount() {
    List<Claim> claims = List.of(claim("a", 6, 10));
    assertThat(store.reserve("1", claims, NOW, LEASE)).isEqualTo(-1);
    store.settle("1", claims, List.of(6L), NOW);

    assertThat(store.reserve("2", List.of(claim("a", 1, 5)), NOW, LEASE)).isZero();
    assertThat(store.reserve("3", List.of(claim("a", 14, 20)), NOW, LEASE)).isEqualTo(-1);
  }

  @Test
  void aRollingWindowForgetsWhatIsOldAndNeverEarly() {
    List<Claim> claims = List.of(rolling(10));
    assertThat(store.reserve("1", claims, NOW, LEASE)).isEqualTo(-1);
    store.settle("1", claims, List.of(10L), NOW);

    Instant almost = NOW.plus(Duration.ofHours(1));
    assertThat(store.reserve("2", List.of(rolling(1)), almost, almost)).isZero();
    Instant later = NOW.plus(Duration.ofMinutes(61));
    assertThat(store.reserve("3", claims, later, later.plusSeconds(60))).isEqualTo(-1);
  }

  @Test
  void threadsNeverReserveMoreThanTheLimitTogether() throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(64);
    try {
      for (int round = 0; round < 20; round++) {
        String key = "round-" + round;
        CountDownLatch start = new CountDownLatch(1);
        List<Future<Integer>> all =
            IntStream.range(0, 64)
                .mapToObj(
                    i ->
                        threads.submit(
                            () -> {
                              start.await();
                              List<Claim> one = List.of(claim(key, 1, 1));
                              return store.reserve(key + i, one, NOW, LEASE);
                            }))
                .toList();
        start.countDown();
        int granted = 0;
        for (Future<Integer> each : all) {
          granted += each.get() < 0 ? 1 : 0;
        }
        assertThat(granted).isEqualTo(1);
      }
    } finally {
      threads.shutdownNow();
    }
  }

  @Test
  void countsOfWindowsThatEndedLongAgoAreForgotten() {
    Instant end = NOW.plusSeconds(60);
    IntStream.range(0, 12_000)
        .forEach(
            i -> {
              List<Claim> one = List.of(new Claim("k" + i, 1, 1, end, Duration.ZERO));
              store.reserve("r" + i, one, NOW, LEASE);
              store.settle("r" + i, one, List.of(1L), NOW);
            });
    Instant later = NOW.plus(Duration.ofDays(2));
    assertThat(store.reserve("x", List.of(claim("new", 1, 1)), later, later)).isEqualTo(-1);

    assertThat(store.balance(new Claim("k0", 0, 1, end, Duration.ZERO), later))
        .isEqualTo(new Balance(0, 0));
  }

  private static Claim session(Instant now, long amount) {
    return new Claim("s", amount, 1, now.plus(Duration.ofHours(24)), Duration.ZERO);
  }

  private void spendOne(Claim claim, Instant now) {
    assertThat(store.reserve("r" + now, List.of(claim), now, now.plusSeconds(60))).isEqualTo(-1);
    store.settle("r" + now, List.of(claim), List.of(1L), now);
  }

  @Test
  void aSessionBeginsAnewADayAfterItsLastRequest() {
    spendOne(session(NOW, 1), NOW);

    Instant almost = NOW.plus(Duration.ofHours(24));
    assertThat(store.reserve("2", List.of(session(almost, 1)), almost, almost)).isZero();
    // The refused request has kept the session too.
    Instant later = almost.plus(Duration.ofHours(24)).plusMillis(1);
    assertThat(store.balance(session(later, 0), later)).isEqualTo(new Balance(0, 0));
    spendOne(session(later, 1), later);
  }

  @Test
  void aCountKeepsWhatIsSettledAfterItsWindow() {
    Claim day = new Claim("day", 6, 10, NOW.plusSeconds(60), Duration.ZERO);
    assertThat(store.reserve("1", List.of(day), NOW, NOW.plusSeconds(600))).isEqualTo(-1);
    store.settle("1", List.of(day), List.of(6L), NOW.plusSeconds(120));

    assertThat(store.balance(day, NOW.plusSeconds(121))).isEqualTo(new Balance(6, 0));
    // The clock is set back, into the window that had ended.
    assertThat(store.reserve("2", List.of(day), NOW.plusSeconds(50), LEASE)).isZero();
  }

  @Test
  void amountsBeyondAllNumbersLeaveNoRoom() {
    Claim any = claim("a", Long.MAX_VALUE, Long.MAX_VALUE);
    for (String name : List.of("1", "2")) {
      store.settle(name, List.of(any), List.of(Long.MAX_VALUE), NOW);
    }

    assertThat(store.balance(any, NOW)).isEqualTo(new Balance(Long.MAX_VALUE, 0));
    assertThat(store.reserve("3", List.of(claim("a", 1, 10)), NOW, LEASE)).isZero();
    Budget budget = Budget.tokens("tokens", 10);
    long most = Long.MAX_VALUE;
    assertThat(new BudgetStatus(budget, "", most, most, Optional.empty(), Optional.empty()).left())
        .isZero();
  }

  @Test
  void manyLiveCountsAreNotSearchedAtEachRequest() {
    long began = System.nanoTime();
    for (int i = 0; i < 60_000; i++) {
      List<Claim> one = List.of(claim("live" + i, 1, 1));
      assertThat(store.reserve("r" + i, one, NOW, LEASE)).isEqualTo(-1);
      store.settle("r" + i, one, List.of(1L), NOW);
    }

    // A search at each of them takes minutes; without, a tenth of a second.
    assertThat(Duration.ofNanos(System.nanoTime() - began)).isLessThan(Duration.ofSeconds(20));
  }
}
