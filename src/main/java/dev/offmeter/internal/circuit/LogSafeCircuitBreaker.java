// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.circuit;

import dev.offmeter.internal.UserCode;
import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import io.github.resilience4j.circuitbreaker.event.CircuitBreakerOnStateTransitionEvent;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * Wraps the Resilience4j circuit breaker of one endpoint. Resilience4j writes a log line whenever
 * it counts a call or changes its state, and the log is the application's code: it may throw. No
 * method of this class does, and each says whether what it was to count has been counted. Safe for
 * use by many threads.
 */
final class LogSafeCircuitBreaker {
  /**
   * Resilience4j's own wait in the open state. {@link BackoffState} decides for how long a circuit
   * is open, so this one must never delay a trial.
   */
  static final Duration MINIMAL_WAIT = Duration.ofMillis(1);

  private final CircuitBreaker circuitBreaker;

  /**
   * Wraps a circuit breaker that has no other consumer of its events yet, because one that throws
   * keeps those behind it from being called.
   *
   * @param onEntered runs before Resilience4j writes its log, so that a log that throws loses no
   *     change
   */
  LogSafeCircuitBreaker(CircuitBreaker circuitBreaker, Consumer<CircuitBreaker.State> onEntered) {
    this.circuitBreaker = circuitBreaker;
    circuitBreaker
        .getEventPublisher()
        .onEvent(
            event -> {
              if (event instanceof CircuitBreakerOnStateTransitionEvent transition) {
                onEntered.accept(transition.getStateTransition().getToState());
              }
            });
  }

  CircuitBreaker.State state() {
    return circuitBreaker.getState();
  }

  boolean isClosed() {
    return state() == CircuitBreaker.State.CLOSED;
  }

  boolean isOpen() {
    return state() == CircuitBreaker.State.OPEN;
  }

  boolean isHalfOpen() {
    return state() == CircuitBreaker.State.HALF_OPEN;
  }

  /** Takes a permission, which may begin the trial; returns whether there was one. */
  boolean tryAcquirePermission() {
    try {
      return UserCode.call(circuitBreaker::tryAcquirePermission);
    } catch (UserCode.UserCodeException e) {
      // If the log threw while it reported HALF_OPEN, the state has changed all the same, and a
      // second try reports nothing.
      return isHalfOpen() && UserCode.run(this::acquirePermission) == null;
    }
  }

  private void acquirePermission() {
    if (!circuitBreaker.tryAcquirePermission()) {
      throw new IllegalStateException("half-open: another trial is already running");
    }
  }

  /** Gives back a permission without an outcome. */
  void releasePermission() {
    circuitBreaker.releasePermission();
  }

  /** Counts a call that was served; returns false if the log threw before it was counted. */
  boolean tryCountSuccess(long nanos) {
    return UserCode.run(() -> circuitBreaker.onSuccess(nanos, TimeUnit.NANOSECONDS)) == null;
  }

  /** Counts a call that failed; returns false if the log threw before it was counted. */
  boolean tryCountError(long nanos, Throwable failure) {
    return UserCode.run(() -> circuitBreaker.onError(nanos, TimeUnit.NANOSECONDS, failure)) == null;
  }

  void close() {
    UserCode.ignore(circuitBreaker::transitionToClosedState);
  }

  void open() {
    UserCode.ignore(() -> circuitBreaker.transitionToOpenStateFor(MINIMAL_WAIT));
  }

  void halfOpen() {
    UserCode.ignore(circuitBreaker::transitionToHalfOpenState);
  }
}
