// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.time;

import java.time.Clock;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;

/**
 * A clock that never jumps. A circuit breaker on the wall clock would stay open for as long as the
 * clock is set back.
 */
public final class MonotonicClock extends Clock {
  private final TimeSource time;
  private final long startNanos;
  private final Instant start = Instant.now();

  public MonotonicClock(TimeSource time) {
    this.time = time;
    this.startNanos = time.nanos();
  }

  @Override
  public Instant instant() {
    return start.plusNanos(time.nanos() - startNanos);
  }

  @Override
  public ZoneId getZone() {
    return ZoneOffset.UTC;
  }

  @Override
  public Clock withZone(ZoneId zone) {
    return this;
  }
}
