// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.health;

import java.time.Duration;
import java.util.function.DoubleSupplier;

/**
 * Computes the time between health checks of an endpoint that is DOWN: a twentieth of the time for
 * which it has been DOWN, so that the check adds little to any outage, from 1 s to 30 s, with 20 %
 * of jitter either way so that many clients do not check at one moment.
 */
public final class HealthCheckInterval {
  private static final long LEAST = Duration.ofSeconds(1).toNanos();
  private static final long MOST = Duration.ofSeconds(30).toNanos();

  private final DoubleSupplier random;

  /** Creates an interval with jitter from {@code random}, which returns numbers from 0 to 1. */
  public HealthCheckInterval(DoubleSupplier random) {
    this.random = random;
  }

  /** Returns the nanoseconds until the next health check. */
  long next(long downFor) {
    long even = Math.max(LEAST, Math.min(MOST, downFor / 20));
    return (long) (even * (0.8 + 0.4 * random.getAsDouble()));
  }
}
