// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.time;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.testing.ManualTime;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The calendar's time at the start, and from then on the machine's own. */
class MonotonicClockTest {
  @ParameterizedTest
  @ValueSource(longs = {0, -5, Long.MAX_VALUE - 1})
  void goesOnWithTheTimeThatItIsGiven(long start) {
    ManualTime time = new ManualTime(start);
    MonotonicClock clock = new MonotonicClock(time);
    Instant made = clock.instant();

    time.advance(Duration.ofMinutes(3));

    assertThat(clock.instant()).isEqualTo(made.plusSeconds(180));
  }

  @Test
  void beginsWithTheCalendar() {
    Instant before = Instant.now();
    Instant made = new MonotonicClock(new ManualTime()).instant();

    // A calendar may be set meanwhile, but hardly by an hour.
    assertThat(Duration.between(before, made).abs()).isLessThan(Duration.ofHours(1));
  }

  @Test
  void isInUtc() {
    assertThat(new MonotonicClock(new ManualTime()).getZone()).isEqualTo(ZoneOffset.UTC);
  }
}
