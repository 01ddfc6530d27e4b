// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.circuit;

import java.time.Duration;
import java.util.Optional;
import java.util.function.DoubleSupplier;

/**
 * Computes back-offs that double from outage to outage up to a limit, with 20 % of jitter either
 * way so that many clients do not return at one moment.
 *
 * <ul>
 *   <li>outage: 15 s, up to 5 min
 *   <li>outage that the server reports at once, which costs a caller next to nothing: 2 s, up to 5
 *       min
 *   <li>operator action required: 1 min, up to 10 min
 *   <li>cool-down: what the server asked for, from 1 s to 10 min; 5 s if it named nothing
 * </ul>
 */
public final class ExponentialBackoff implements BackoffPolicy {
  private static final Duration DOWN = Duration.ofSeconds(15);
  private static final Duration DOWN_MAX = Duration.ofMinutes(5);
  private static final Duration SHORT = Duration.ofSeconds(2);
  private static final Duration REPAIR = Duration.ofMinutes(1);
  private static final Duration REPAIR_MAX = Duration.ofMinutes(10);
  private static final Duration COOL_DOWN = Duration.ofSeconds(5);
  private static final Duration COOL_DOWN_MIN = Duration.ofSeconds(1);
  private static final Duration COOL_DOWN_MAX = Duration.ofMinutes(10);

  private final DoubleSupplier random;

  /** Creates a policy with jitter from {@code random}, which returns numbers from 0 to 1. */
  public ExponentialBackoff(DoubleSupplier random) {
    this.random = random;
  }

  @Override
  public Duration backoff(HealthEffect effect, int inARow, Optional<Duration> asked) {
    return switch (effect) {
      case COOL_DOWN -> clamped(asked.orElse(COOL_DOWN), COOL_DOWN_MIN, COOL_DOWN_MAX);
      case OPEN_UNTIL_REPAIRED -> exponential(REPAIR, REPAIR_MAX, inARow);
      // A tunnel that is down names a wait of its own, which is shorter than ours at the beginning
      // only.
      default -> atLeastOwn(exponential(DOWN, DOWN_MAX, inARow), asked);
    };
  }

  @Override
  public Duration shortBackoff(int inARow) {
    return exponential(SHORT, DOWN_MAX, inARow);
  }

  private Duration exponential(Duration first, Duration most, int inARow) {
    Duration grown = first.multipliedBy(1L << Math.min(inARow - 1, 16));
    Duration capped = grown.compareTo(most) < 0 ? grown : most;
    double jitter = 0.8 + 0.4 * random.getAsDouble();
    return Duration.ofMillis((long) (capped.toMillis() * jitter));
  }

  private static Duration atLeastOwn(Duration own, Optional<Duration> asked) {
    return clamped(asked.orElse(own), own, COOL_DOWN_MAX);
  }

  private static Duration clamped(Duration value, Duration least, Duration most) {
    Duration raised = value.compareTo(least) < 0 ? least : value;
    return raised.compareTo(most) > 0 ? most : raised;
  }
}
