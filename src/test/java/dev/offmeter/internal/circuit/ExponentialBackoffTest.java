// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.circuit;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The back-off grows with each failure, up to its limit. */
class ExponentialBackoffTest {
  private final BackoffPolicy backoffPolicy = new ExponentialBackoff(() -> 0.5);

  @ParameterizedTest
  @CsvSource({
    "OPEN, 1, 15",
    "OPEN, 2, 30",
    "OPEN, 5, 240",
    "OPEN, 6, 300",
    "OPEN, 1000000, 300",
    "COUNT_FAILURE, 1, 15",
    "COUNT_FAILURE, 3, 60",
    "OPEN_UNTIL_REPAIRED, 1, 60",
    "OPEN_UNTIL_REPAIRED, 4, 480",
    "OPEN_UNTIL_REPAIRED, 5, 600",
    "COOL_DOWN, 1, 5",
    "COOL_DOWN, 9, 5"
  })
  void growsUpToALimit(HealthEffect effect, int inARow, long seconds) {
    assertThat(backoffPolicy.backoff(effect, inARow, Optional.empty())).hasSeconds(seconds);
  }

  @ParameterizedTest
  @CsvSource({
    "COOL_DOWN, 0, 1",
    "COOL_DOWN, 40, 40",
    "COOL_DOWN, 86400, 600",
    "OPEN, 120, 120",
    "OPEN, 3, 15",
    "OPEN, 86400, 600"
  })
  void heedsWhatTheServerAsks(HealthEffect effect, long asked, long seconds) {
    assertThat(backoffPolicy.backoff(effect, 1, Optional.of(Duration.ofSeconds(asked))))
        .hasSeconds(seconds);
  }

  @ParameterizedTest
  @CsvSource({"1, 2", "2, 4", "5, 32", "8, 256", "9, 300", "1000000, 300"})
  void whatMayBeOverSoonIsTriedSoon(int inARow, long seconds) {
    assertThat(backoffPolicy.shortBackoff(inARow)).hasSeconds(seconds);
  }

  @Test
  void jitterIsAFifthEitherWay() {
    assertThat(new ExponentialBackoff(() -> 0).backoff(HealthEffect.OPEN, 1, Optional.empty()))
        .hasSeconds(12);
    assertThat(new ExponentialBackoff(() -> 1).backoff(HealthEffect.OPEN, 1, Optional.empty()))
        .hasSeconds(18);
  }
}
