// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.guard;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.guard.BudgetStore.Balance;
import dev.offmeter.guard.BudgetStore.Claim;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * The contract of a store that is asked over a network, where a reply can be lost: what was done
 * once may be asked for again, and later than it was meant.
 */
public abstract class SharedBudgetStoreContract extends BudgetStoreContract {
  private static final Instant NOW = Instant.parse("2026-11-18T12:00:00Z");
  private static final Instant LEASE = NOW.plusSeconds(60);
  private static final Claim ONE = new Claim("a", 6, 10, Instant.MAX, Duration.ZERO);
  private static final Claim ROLLING =
      new Claim("r", 6, 10, NOW.plusSeconds(3600), Duration.ofHours(1));

  @Test
  void aSettlementThatIsRepeatedCountsOnce() {
    BudgetStore store = fresh();
    List<Claim> claims = List.of(ONE, ROLLING);
    assertThat(store.reserve("1", claims, NOW, LEASE)).isEqualTo(-1);
    for (int seconds = 0; seconds < 90; seconds += 30) {
      store.settle("1", claims, List.of(2L, 3L), NOW.plusSeconds(seconds));
      second().settle("1", claims, List.of(2L, 3L), NOW.plusSeconds(seconds));
    }

    assertThat(store.balance(ONE, NOW)).isEqualTo(new Balance(2, 0));
    assertThat(store.balance(ROLLING, NOW)).isEqualTo(new Balance(3, 0));
  }

  @Test
  void aSettlementAfterItsLeaseThatIsRepeatedCountsOnce() {
    BudgetStore store = fresh();
    assertThat(store.reserve("1", List.of(ONE), NOW, LEASE)).isEqualTo(-1);
    store.settle("1", List.of(ONE), List.of(2L), LEASE.plusSeconds(1));
    store.settle("1", List.of(ONE), List.of(2L), LEASE.plusSeconds(2));

    assertThat(store.balance(ONE, LEASE.plusSeconds(3))).isEqualTo(new Balance(2, 0));
  }

  @Test
  void aRenewalThatComesAfterTheSettlementReservesNothing() {
    BudgetStore store = fresh();
    assertThat(store.reserve("1", List.of(ONE), NOW, LEASE)).isEqualTo(-1);
    store.settle("1", List.of(ONE), List.of(2L), NOW.plusSeconds(1));
    store.renew("1", List.of(ONE), NOW.plusSeconds(1), LEASE.plusSeconds(60));

    assertThat(store.balance(ONE, NOW.plusSeconds(2))).isEqualTo(new Balance(2, 0));
  }
}
