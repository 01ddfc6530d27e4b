// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.health;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/** Answers that stall together are one event. */
class StallCorrelatorTest {
  private final StallCorrelator stalls = new StallCorrelator();

  @Test
  void theFirstStallCounts() {
    assertThat(stalls.recordStall(0, 100)).isFalse();
  }

  @Test
  void answersThatWereUnderWayThenAreOfTheSameEvent() {
    stalls.recordStall(0, 100);

    assertThat(stalls.recordStall(50, 101)).isTrue();
    assertThat(stalls.recordStall(99, 160)).isTrue();
  }

  @Test
  void anAnswerThatBeganAfterItIsAFurtherEvent() {
    stalls.recordStall(0, 100);

    assertThat(stalls.recordStall(100, 200)).isFalse();
    assertThat(stalls.recordStall(150, 210)).as("of the second").isTrue();
  }

  @Test
  void theStallsOfOneEventDoNotProlongIt() {
    stalls.recordStall(0, 100);
    stalls.recordStall(50, 500);

    assertThat(stalls.recordStall(101, 600)).isFalse();
  }
}
