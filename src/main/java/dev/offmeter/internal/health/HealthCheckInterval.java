// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.health;

import java.time.Duration;
import java.util.function.DoubleSupplier;

/**
 * How often an endpoint that is down is looked at: every twentieth of the time that it has been
 * down, so that a look adds little to any outage, from 1 s to 30 s, with a fifth of jitter either
 * way so that many clients do not look at one moment.
 */
public final class HealthCheckInterval {
  private static final long LEAST = Duration.ofSeconds(1).toNanos();
  private static final long MOST = Duration.ofSeconds(30).toNanos();

  private final DoubleSupplier random;

  /** Jitter from {@code random}, which gives numbers from 0 to 1. */
  public HealthCheckInterval(DoubleSupplier random) {
    this.random = random;
  }

  /** Nanoseconds until the next look. */
  long next(long downFor) {
    long even = Math.max(LEAST, Math.min(MOST, downFor / 20));
    return (long) (even * (0.8 + 0.4 * random.getAsDouble()));
  }
}
