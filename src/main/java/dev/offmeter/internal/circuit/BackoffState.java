// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.circuit;

import dev.offmeter.internal.time.TimeSource;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Holds the back-off of one endpoint: its cause, its end, and a hold that extends it while health
 * checks still fail. Changed under the circuit breaker's lock; read by any thread.
 */
final class BackoffState {
  private final TimeSource time;
  private final BackoffPolicy policy;

  // Written under the breaker's lock, but for the reset to 0 by a call that is served.
  private final AtomicInteger consecutiveOutages = new AtomicInteger();

  // Written under the breaker's lock, or by a thread of the application that opens its Resilience4j
  // breaker; read by any.
  private volatile HealthEffect effect = HealthEffect.NONE;
  private volatile boolean setByServer;
  private volatile long endsAt;
  private volatile long openUntil;

  BackoffState(TimeSource time, BackoffPolicy policy) {
    this.time = time;
    this.policy = policy;
    this.endsAt = time.nanos();
    this.openUntil = endsAt;
  }

  /** Starts the back-off of a further outage. */
  void start(HealthEffect effect, Optional<Duration> asked) {
    start(effect, asked, policy.backoff(effect, consecutiveOutages.incrementAndGet(), asked));
  }

  /**
   * Starts a back-off for a failure that may pass quickly; see {@link BackoffPolicy#shortBackoff}.
   */
  void startShort(HealthEffect effect) {
    start(effect, Optional.empty(), policy.shortBackoff(consecutiveOutages.incrementAndGet()));
  }

  private void start(HealthEffect effect, Optional<Duration> asked, Duration length) {
    endsAt = time.nanos() + length.toNanos();
    openUntil = endsAt;
    this.effect = effect;
    setByServer = effect == HealthEffect.COOL_DOWN && asked.isPresent();
  }

  /**
   * Marks the endpoint as loading its model. The back-off's own end stays as it is: the load ends
   * the wait, and twice the limit of a load is only the bound for a load whose end is never
   * reported.
   */
  void startLoad() {
    effect = HealthEffect.LOAD_MODEL;
    setByServer = false;
    openUntil = time.nanos() + EndpointCircuitBreaker.MODEL_LOAD_TIMEOUT.multipliedBy(2).toNanos();
  }

  /** Restores the cause from before a load that has cured nothing. */
  void restore(HealthEffect before) {
    effect = before;
  }

  /**
   * Extends the hold to {@code nanos}, because a health check has just failed; never shortens it.
   */
  void extendHold(long nanos) {
    if (nanos - openUntil > 0) {
      openUntil = nanos;
    }
  }

  /** Drops the hold, so that the back-off's own end counts. */
  void clearHold() {
    openUntil = endsAt;
  }

  /** Ends the back-off and forgets earlier outages, because an operator reports a repair. */
  void end() {
    endsAt = time.nanos();
    openUntil = endsAt;
    setByServer = false;
    reset();
  }

  /** Forgets earlier outages, because a call was served. */
  void reset() {
    // Read before it is written: most calls are served by an endpoint that was never DOWN, and a
    // write by each would make their threads contend for the cache line.
    if (consecutiveOutages.get() != 0) {
      consecutiveOutages.set(0);
    }
  }

  /** Returns whether calls are kept away now. */
  boolean isActive() {
    return openUntil - time.nanos() > 0;
  }

  /** Returns how long calls are still kept away. */
  Duration remaining() {
    return Duration.ofNanos(Math.max(0, openUntil - time.nanos()));
  }

  /** Returns whether only the hold keeps calls away: the back-off's own end has passed. */
  boolean isHeld() {
    return openUntil - endsAt > 0;
  }

  /**
   * Returns whether a passing health check may end the back-off. After a failed trial it may not:
   * the check has been wrong before.
   */
  boolean canEndEarly() {
    return (isFirstOutage() && !setByServer) || endsAt - time.nanos() <= 0;
  }

  /** Returns whether no trial has failed since the endpoint was last UP. */
  boolean isFirstOutage() {
    return consecutiveOutages.get() <= 1;
  }

  /** Returns how many trials have failed since the endpoint was last UP. */
  int failedTrials() {
    return Math.max(0, consecutiveOutages.get() - 1);
  }

  /** Returns how the failure that caused the back-off counts. */
  HealthEffect effect() {
    return effect;
  }

  /** Returns whether the server named the length of the back-off. */
  boolean isSetByServer() {
    return setByServer;
  }
}
