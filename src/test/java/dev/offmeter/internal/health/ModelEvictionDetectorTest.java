// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.health;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.junit.jupiter.api.Test;

class ModelEvictionDetectorTest {
  private final ModelEvictionDetector evictions = new ModelEvictionDetector();
  private long now = Long.MAX_VALUE - Duration.ofMinutes(2).toNanos();

  private boolean loadedAndGoneAfter(int seconds) {
    evictions.onLoaded(now, true);
    now += Duration.ofSeconds(seconds).toNanos();
    return evictions.onEvicted(now);
  }

  private boolean isLeftToCalls() {
    return evictions.isLeftToCalls(now);
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
    assertThat(evictions.onEvicted(now)).isFalse();
    assertThat(evictions.onEvicted(now)).isFalse();

    assertThat(loadedAndGoneAfter(60)).isFalse();
  }

  @Test
  void whoSaysThatItIsMendedIsBelievedOnce() {
    for (int i = 0; i < 3; i++) {
      boolean unused = loadedAndGoneAfter(60);
    }
    evictions.reset(now);

    assertThat(isLeftToCalls()).isFalse();
    assertThat(loadedAndGoneAfter(60)).isTrue();
  }
}
