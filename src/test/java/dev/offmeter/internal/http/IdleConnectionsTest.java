// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

/** Connections that idle together are dropped together. */
class IdleConnectionsTest {
  private final AtomicLong calendarMillis = new AtomicLong(1_800_000_000_000L);
  private final AtomicLong nanos = new AtomicLong(-5);
  private final IdleConnections kept = new IdleConnections(calendarMillis::get, nanos::get);

  private void runs(long millis) {
    calendarMillis.addAndGet(millis);
    nanos.addAndGet(TimeUnit.MILLISECONDS.toNanos(millis));
    kept.onUse();
  }

  @Test
  void aMachineThatSleptHasAClockThatIsAhead() {
    calendarMillis.addAndGet(60_000);

    runs(1000);

    assertThat(kept.generation()).isEqualTo(1);
  }

  @Test
  void whatHasIdledForLongIsDropped() {
    runs(119_000);
    assertThat(kept.generation()).isZero();

    runs(121_000);

    assertThat(kept.generation()).isEqualTo(1);
  }

  @Test
  void timeThatOnlyPassesDropsNothing() {
    for (int minute = 0; minute < 60; minute++) {
      runs(60_000);
    }

    assertThat(kept.generation()).isZero();
  }

  @Test
  void oneSleepDropsThemOnce() {
    calendarMillis.addAndGet(60_000);
    runs(1000);
    runs(1000);

    assertThat(kept.generation()).isEqualTo(1);
  }

  @Test
  void ofAGenerationOneIsFoundOutFirst() {
    assertThat(kept.dropIdle(0)).isTrue();
    assertThat(kept.dropIdle(0)).isFalse();
    assertThat(kept.dropIdle(1)).isTrue();
  }
}
