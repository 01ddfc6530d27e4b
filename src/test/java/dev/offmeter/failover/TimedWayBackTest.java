// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.failover.Judgement.Health;
import java.time.Duration;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** How long an endpoint is left alone. */
class TimedWayBackTest {
  private final WayBack wayBack = new TimedWayBack(() -> 0.5);

  @ParameterizedTest
  @CsvSource({
    "TRIPS, 1, 15",
    "TRIPS, 2, 30",
    "TRIPS, 5, 240",
    "TRIPS, 6, 300",
    "TRIPS, 1000000, 300",
    "COUNTS, 1, 15",
    "COUNTS, 3, 60",
    "SET_ASIDE, 1, 60",
    "SET_ASIDE, 4, 480",
    "SET_ASIDE, 5, 600",
    "COOLS_DOWN, 1, 5",
    "COOLS_DOWN, 9, 5"
  })
  void growsUpToALimit(Health why, int inARow, long seconds) {
    assertThat(wayBack.pause(why, inARow, Optional.empty())).hasSeconds(seconds);
  }

  @ParameterizedTest
  @CsvSource({
    "COOLS_DOWN, 0, 1",
    "COOLS_DOWN, 40, 40",
    "COOLS_DOWN, 86400, 600",
    "TRIPS, 120, 120",
    "TRIPS, 3, 15",
    "TRIPS, 86400, 600"
  })
  void heedsWhatTheServerAsks(Health why, long asked, long seconds) {
    assertThat(wayBack.pause(why, 1, Optional.of(Duration.ofSeconds(asked)))).hasSeconds(seconds);
  }

  @ParameterizedTest
  @CsvSource({"1, 2", "2, 4", "5, 32", "8, 256", "9, 300", "1000000, 300"})
  void whatMayBeOverSoonIsTriedSoon(int inARow, long seconds) {
    assertThat(wayBack.soon(inARow)).hasSeconds(seconds);
  }

  @Test
  void jitterIsAFifthEitherWay() {
    assertThat(new TimedWayBack(() -> 0).pause(Health.TRIPS, 1, Optional.empty())).hasSeconds(12);
    assertThat(new TimedWayBack(() -> 1).pause(Health.TRIPS, 1, Optional.empty())).hasSeconds(18);
  }
}
