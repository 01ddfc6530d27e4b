// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.junit.jupiter.api.Test;

class EvictionsTest {
  private final Evictions evictions = new Evictions();
  private long now = Long.MAX_VALUE - Duration.ofMinutes(2).toNanos();

  private boolean loadedAndGoneAfter(int seconds) {
    evictions.onThere(now, true);
    now += Duration.ofSeconds(seconds).toNanos();
    return evictions.onGone(now);
  }

  private boolean isLeftToCalls() {
    return evictions.leaveItToCalls(now);
  }

  @Test
  void threeAreEnoughAndAfterThemEachOne() {
    assertThat(loadedAndGoneAfter(60)).isFalse();
    assertThat(loadedAndGoneAfter(60)).isFalse();
    assertThat(isLeftToCalls()).isFalse();
    assertThat(loadedAndGoneAfter(60)).isTrue();
    assertThat(isLeftToCalls()).isTrue();

    now += Duration.ofMinutes(10).toNanos();

    assertThat(isLeftToCalls()).isFalse();
    assertThat(loadedAndGoneAfter(60)).isTrue();
  }

  @Test
  void aModelThatLastsForThreeMinutesIsNotCounted() {
    for (int i = 0; i < 20; i++) {
      assertThat(loadedAndGoneAfter(180)).isFalse();
    }
  }

  @Test
  void threeInAnHourAreNotMany() {
    for (int i = 0; i < 20; i++) {
      assertThat(loadedAndGoneAfter(60)).isFalse();
      now += Duration.ofMinutes(20).toNanos();
    }
  }

  @Test
  void whatIsGoneIsGoneOnce() {
    assertThat(loadedAndGoneAfter(60)).isFalse();
    assertThat(evictions.onGone(now)).isFalse();
    assertThat(evictions.onGone(now)).isFalse();

    assertThat(loadedAndGoneAfter(60)).isFalse();
  }

  @Test
  void whoSaysThatItIsMendedIsBelievedOnce() {
    for (int i = 0; i < 3; i++) {
      boolean unused = loadedAndGoneAfter(60);
    }
    evictions.retry(now);

    assertThat(isLeftToCalls()).isFalse();
    assertThat(loadedAndGoneAfter(60)).isTrue();
  }
}
