// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.circuit;

import dev.offmeter.internal.time.TimeSource;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * For how long one endpoint is left alone, and why: its pause, and beyond it for as long as there
 * is evidence that it is not back. Changed under its breaker's lock; read by any thread.
 */
final class BackoffState {
  private final TimeSource time;
  private final BackoffPolicy policy;
  private final AtomicInteger consecutiveOutages = new AtomicInteger();
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

  /** It is down once more. */
  void start(HealthEffect effect, Optional<Duration> asked) {
    start(effect, asked, policy.backoff(effect, consecutiveOutages.incrementAndGet(), asked));
  }

  /** The same, for something that may be over soon. */
  void startShort(HealthEffect effect) {
    start(effect, Optional.empty(), policy.shortBackoff(consecutiveOutages.incrementAndGet()));
  }

  private void start(HealthEffect effect, Optional<Duration> asked, Duration length) {
    endsAt = time.nanos() + length.toNanos();
    openUntil = endsAt;
    this.effect = effect;
    setByServer = effect == HealthEffect.COOL_DOWN && asked.isPresent();
  }

  /** Its model is loaded, which ends in its own time. */
  void startLoad() {
    effect = HealthEffect.LOAD_MODEL;
    setByServer = false;
    openUntil = time.nanos() + EndpointCircuitBreaker.MODEL_LOAD_TIMEOUT.multipliedBy(2).toNanos();
  }

  /** A load has mended nothing: it is down for what it was down for before. */
  void restore(HealthEffect before) {
    effect = before;
  }

  /** There is evidence that it is not back. */
  void extendHold(long nanos) {
    if (nanos - openUntil > 0) {
      openUntil = nanos;
    }
  }

  /** There is none any more: the pause alone counts. */
  void clearHold() {
    openUntil = endsAt;
  }

  /** A person says that it is repaired: it is as if it had not been down before. */
  void end() {
    endsAt = time.nanos();
    openUntil = endsAt;
    setByServer = false;
    reset();
  }

  /** A call was served. */
  void reset() {
    // Read first: most calls are served by what was up all the time, on many threads.
    if (consecutiveOutages.get() != 0) {
      consecutiveOutages.set(0);
    }
  }

  /** Whether it is left alone now. */
  boolean isActive() {
    return openUntil - time.nanos() > 0;
  }

  /** How long it will still be left alone. */
  Duration remaining() {
    return Duration.ofNanos(Math.max(0, openUntil - time.nanos()));
  }

  /** Whether it is evidence that keeps it shut, and not the pause. */
  boolean isHeld() {
    return openUntil - endsAt > 0;
  }

  /** What has failed at its trial before is not believed before its pause is over. */
  boolean canEndEarly() {
    return (isFirstOutage() && !setByServer) || endsAt - time.nanos() <= 0;
  }

  /** Whether no trial has failed since it was up last. */
  boolean isFirstOutage() {
    return consecutiveOutages.get() <= 1;
  }

  /** How many trials have failed since it was up last. */
  int failedTrials() {
    return Math.max(0, consecutiveOutages.get() - 1);
  }

  /** What kind of failure it was. */
  HealthEffect effect() {
    return effect;
  }

  /** Whether the server has named its length. */
  boolean isSetByServer() {
    return setByServer;
  }
}
