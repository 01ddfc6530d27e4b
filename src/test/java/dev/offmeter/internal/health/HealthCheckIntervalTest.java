// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.health;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The interval between the health checks of an endpoint that is DOWN. */
class HealthCheckIntervalTest {
  @ParameterizedTest
  @CsvSource({"0, 1000", "10, 1000", "60, 3000", "300, 15000", "600, 30000", "86400, 30000"})
  void growsWithTheOutageFromOneSecondToThirty(long downSeconds, long millis) {
    long next = new HealthCheckInterval(() -> 0.5).next(Duration.ofSeconds(downSeconds).toNanos());

    assertThat(Duration.ofNanos(next)).hasMillis(millis);
  }

  @Test
  void jitterIsAFifthEitherWay() {
    assertThat(Duration.ofNanos(new HealthCheckInterval(() -> 0).next(0))).hasMillis(800);
    assertThat(Duration.ofNanos(new HealthCheckInterval(() -> 1).next(0))).hasMillis(1200);
  }
}
