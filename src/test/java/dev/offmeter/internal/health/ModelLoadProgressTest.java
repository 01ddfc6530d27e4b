// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.health;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/** The least time that a load still takes follows from what was seen of it. */
class ModelLoadProgressTest {
  private final ModelLoadProgress load = new ModelLoadProgress(0);

  @Test
  void nothingIsKnownAtFirst() {
    assertThat(load.remaining(0, 10, 0)).isZero();
  }

  @Test
  void theLastLoadIsTheMeasure() {
    assertThat(load.remaining(0, 15, 20)).isEqualTo(5);
    assertThat(load.remaining(0, 30, 20)).isZero();
  }

  @Test
  void aLoadTakesLongerThanAnAttemptThatWaitedForItInVain() {
    load.onAbandoned(0, 15, false);

    assertThat(load.remaining(10, 16, 0)).isEqualTo(9);
    assertThat(load.remaining(10, 16, 40)).as("the last took longer").isEqualTo(34);
  }

  @Test
  void aLoadBeginsAnewWhenTheAttemptThatWaitedLongestGoes() {
    load.onAbandoned(0, 15, true);

    assertThat(load.remaining(5, 16, 0)).as("counted from 15 on").isEqualTo(14);
  }

  @Test
  void theLongestWaitInVainCounts() {
    load.onAbandoned(0, 15, true);
    load.onAbandoned(16, 20, false);

    assertThat(load.remaining(20, 20, 0)).isEqualTo(15);
  }

  @Test
  void aLoadedModelLeavesNothingToWaitFor() {
    load.onAbandoned(0, 15, false);
    load.onLoaded();

    assertThat(load.remaining(10, 16, 0)).isZero();
  }
}
