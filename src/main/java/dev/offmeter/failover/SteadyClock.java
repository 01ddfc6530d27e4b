// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import java.time.Clock;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;

/**
 * A calendar's time that never jumps. A breaker that waits by the wall clock stays open for as long
 * as the clock is set back.
 */
final class SteadyClock extends Clock {
  private final Time time;
  private final long startNanos;
  private final Instant start = Instant.now();

  SteadyClock(Time time) {
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
