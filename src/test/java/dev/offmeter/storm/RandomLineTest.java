// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.storm;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.testing.Ledger;
import dev.offmeter.testing.Seeds;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Few places, many callers, and no order in how they come and go. */
@Timeout(120)
class RandomLineTest {
  private final Ledger ledger = new Ledger();

  static LongStream seeds() {
    return Seeds.orElse(1, 2, 3, 4, 5, 6);
  }

  @ParameterizedTest
  @MethodSource("seeds")
  void callsAreServedInOrderOfArrival(long seed) throws Exception {
    new OrderedLine(seed, ledger).run(60);
    isClean(seed);
  }

  @ParameterizedTest
  @MethodSource("seeds")
  void nobodyIsLostAndNoPlaceIs(long seed) throws Exception {
    new CrowdedLine(seed, ledger).run(40);
    isClean(seed);
  }

  @ParameterizedTest
  @MethodSource("seeds")
  void aMinuteHasAsManyRequestsAsItMay(long seed) throws Exception {
    new CrowdedMinute(seed, ledger).run(40);
    isClean(seed);
  }

  private void isClean(long seed) {
    assertThat(ledger.isClean()).as("seed %d, %s%n%s", seed, Seeds.replay(seed), ledger).isTrue();
  }
}
