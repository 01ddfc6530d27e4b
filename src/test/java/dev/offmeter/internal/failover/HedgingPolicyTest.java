// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.junit.jupiter.api.Test;

/** A share of all calls may be hedged, with a few saved up. */
class HedgingPolicyTest {
  private static HedgingPolicy hedging(double maxShare) {
    return new HedgingPolicy(Duration.ofSeconds(2), maxShare, Runnable::run);
  }

  /** Lets calls begin, and returns how many of them may be hedged. */
  private static int hedged(HedgingPolicy hedging, int calls) {
    int hedged = 0;
    for (int i = 0; i < calls; i++) {
      hedging.addBudget();
      hedged += hedging.trySpend() ? 1 : 0;
    }
    return hedged;
  }

  private static int saved(HedgingPolicy hedging) {
    int saved = 0;
    while (saved < 100 && hedging.trySpend()) {
      saved++;
    }
    return saved;
  }

  @Test
  void theFirstCallMayBeHedged() {
    HedgingPolicy hedging = hedging(0.25);

    assertThat(hedging.trySpend()).isTrue();
    assertThat(hedging.trySpend()).isFalse();
  }

  @Test
  void aShareOfAllCallsMayBe() {
    HedgingPolicy hedging = hedging(0.25);
    boolean first = hedging.trySpend();

    assertThat(first).isTrue();
    assertThat(hedged(hedging, 400)).isEqualTo(100);
  }

  @Test
  void callsThatNeedNoneSaveForABurst() {
    HedgingPolicy hedging = hedging(0.25);
    boolean first = hedging.trySpend();
    for (int call = 0; call < 12; call++) {
      hedging.addBudget();
    }

    assertThat(first).isTrue();
    assertThat(saved(hedging)).isEqualTo(3);
  }

  @Test
  void aBurstIsOfTenAtMost() {
    HedgingPolicy hedging = hedging(0.25);
    for (int call = 0; call < 1000; call++) {
      hedging.addBudget();
    }

    assertThat(saved(hedging)).isEqualTo(10);
  }

  @Test
  void ofNoneNoMoreThanTheFirst() {
    assertThat(hedged(hedging(0), 100)).isOne();
  }

  @Test
  void ofAllEachMayBe() {
    assertThat(hedged(hedging(1), 100)).isEqualTo(100);
  }

  @Test
  void theDelayIsInNanoseconds() {
    assertThat(hedging(1).delay()).isEqualTo(2_000_000_000L);
  }
}
