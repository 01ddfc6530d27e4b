// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.health;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.junit.jupiter.api.Test;

/** The window summarizes the last answers. */
class LatencyWindowTest {
  private final LatencyWindow latencies = new LatencyWindow();

  private void add(int from, int to) {
    for (int i = from; i <= to; i++) {
      latencies.add(Duration.ofMillis(i).toNanos(), Duration.ofSeconds(i).toNanos());
    }
  }

  @Test
  void ofNoAnswersThereIsNothingToSay() {
    assertThat(latencies.summary().answers()).isZero();
    assertThat(latencies.summary().totalMedian()).isZero();
    assertThat(latencies.total95()).isZero();
  }

  @Test
  void oneAnswerIsAllOfThem() {
    add(7, 7);

    assertThat(latencies.summary().firstTokenMedian()).hasMillis(7);
    assertThat(latencies.summary().total95()).hasSeconds(7);
  }

  @Test
  void theNearestRankOfAHundred() {
    add(1, 100);

    assertThat(latencies.summary().answers()).isEqualTo(100);
    assertThat(latencies.summary().firstTokenMedian()).hasMillis(50);
    assertThat(latencies.summary().firstToken95()).hasMillis(95);
    assertThat(latencies.summary().totalMedian()).hasSeconds(50);
    assertThat(latencies.summary().total95()).hasSeconds(95);
  }

  @Test
  void onlyTheLastHundredCount() {
    add(1, 350);

    assertThat(latencies.summary().answers()).isEqualTo(100);
    assertThat(latencies.summary().totalMedian()).hasSeconds(300);
    assertThat(latencies.summary().total95()).hasSeconds(345);
  }
}
