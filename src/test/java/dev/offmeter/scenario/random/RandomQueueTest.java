// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.random;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.testing.RunReport;
import dev.offmeter.testing.Seeds;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Few places, many callers, and no order in how they come and go. */
@Timeout(120)
class RandomQueueTest {
  private final RunReport report = new RunReport();

  static LongStream seeds() {
    return Seeds.orElse(1, 2, 3, 4, 5, 6);
  }

  @ParameterizedTest
  @MethodSource("seeds")
  void callsAreServedInOrderOfArrival(long seed) throws Exception {
    new OrderedQueue(seed, report).run(60);
    isClean(seed);
  }

  @ParameterizedTest
  @MethodSource("seeds")
  void nobodyIsLostAndNoSlotIs(long seed) throws Exception {
    new CrowdedQueue(seed, report).run(40);
    isClean(seed);
  }

  @ParameterizedTest
  @MethodSource("seeds")
  void aMinuteHasAsManyRequestsAsItMay(long seed) throws Exception {
    new RateLimitBursts(seed, report).run(40);
    isClean(seed);
  }

  private void isClean(long seed) {
    assertThat(report.isClean())
        .as("seed %d, %s%n%s", seed, Seeds.replayHint(seed), report)
        .isTrue();
  }
}
