// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import java.time.Duration;
import java.util.Optional;
import java.util.function.DoubleSupplier;

/**
 * Pauses that double from failure to failure, up to a limit, with a fifth of jitter either way so
 * that many clients do not return at one moment.
 *
 * <ul>
 *   <li>down: 15 s, up to 5 min
 *   <li>down by its own word, which costs a caller next to nothing: 2 s, up to 5 min
 *   <li>set aside: 1 min, up to 10 min
 *   <li>cooling down: what the server asked for, from 1 s to 10 min; 5 s if it named nothing
 * </ul>
 */
final class TimedWayBack implements WayBack {
  private static final Duration DOWN = Duration.ofSeconds(15);
  private static final Duration DOWN_AT_MOST = Duration.ofMinutes(5);
  private static final Duration SOON = Duration.ofSeconds(2);
  private static final Duration ASIDE = Duration.ofMinutes(1);
  private static final Duration ASIDE_AT_MOST = Duration.ofMinutes(10);
  private static final Duration COOL = Duration.ofSeconds(5);
  private static final Duration COOL_AT_LEAST = Duration.ofSeconds(1);
  private static final Duration COOL_AT_MOST = Duration.ofMinutes(10);

  private final DoubleSupplier random;

  /** Jitter from {@code random}, which gives numbers from 0 to 1. */
  TimedWayBack(DoubleSupplier random) {
    this.random = random;
  }

  @Override
  public Duration pause(Judgement.Health why, int inARow, Optional<Duration> asked) {
    return switch (why) {
      case COOLS_DOWN -> clamped(asked.orElse(COOL), COOL_AT_LEAST, COOL_AT_MOST);
      case SET_ASIDE -> growing(ASIDE, ASIDE_AT_MOST, inARow);
      // A tunnel that is down names a pause of its own; ours is shorter only at the beginning.
      default -> longer(growing(DOWN, DOWN_AT_MOST, inARow), asked);
    };
  }

  @Override
  public Duration soon(int inARow) {
    return growing(SOON, DOWN_AT_MOST, inARow);
  }

  private Duration growing(Duration first, Duration most, int inARow) {
    Duration grown = first.multipliedBy(1L << Math.min(inARow - 1, 16));
    Duration capped = grown.compareTo(most) < 0 ? grown : most;
    double jitter = 0.8 + 0.4 * random.getAsDouble();
    return Duration.ofMillis((long) (capped.toMillis() * jitter));
  }

  private static Duration longer(Duration own, Optional<Duration> asked) {
    return clamped(asked.orElse(own), own, COOL_AT_MOST);
  }

  private static Duration clamped(Duration value, Duration least, Duration most) {
    Duration raised = value.compareTo(least) < 0 ? least : value;
    return raised.compareTo(most) > 0 ? most : raised;
  }
}
