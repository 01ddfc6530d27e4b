// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.guard;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.guard.BudgetStore.Balance;
import dev.offmeter.guard.BudgetStore.Claim;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class InMemoryBudgetStoreTest extends BudgetStoreContract {
  private static final Instant NOW = Instant.parse("2026-11-18T12:00:00Z");
  private static final Instant LEASE = NOW.plusSeconds(60);

  private BudgetStore store = BudgetStore.inMemory();

  @Override
  protected BudgetStore fresh() {
    store = BudgetStore.inMemory();
    return store;
  }

  @Override
  protected BudgetStore second() {
    return store;
  }

  private static Claim claim(String key, long amount, long limit) {
    return new Claim(key, amount, limit, Instant.MAX, Duration.ZERO);
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

  @Test
  void aBudgetOfWhichMoreThanAllNumbersIsSpentHasNothingLeft() {
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
