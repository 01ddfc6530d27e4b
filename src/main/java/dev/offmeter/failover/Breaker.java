// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.FailureKind;
import dev.offmeter.observe.EndpointChange;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.wire.Failure;
import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import io.github.resilience4j.circuitbreaker.CircuitBreakerConfig;
import io.github.resilience4j.circuitbreaker.event.CircuitBreakerOnStateTransitionEvent;
import java.time.Duration;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The circuit breaker of one endpoint: whether calls are let in, and what their outcomes say of its
 * health. Safe for use by many threads.
 *
 * <p>Each change of state begins a new era. A call that was let in before it holds no permit of the
 * era and knows nothing new: its failure is ignored, or it would lengthen a pause or spoil a trial
 * that it has no part in.
 */
final class Breaker {
  /** Two failures in a row: an application that makes a few calls an hour cannot wait for more. */
  private static final int FAILURES_IN_A_ROW = 2;

  private final String endpoint;
  private final Time time;
  private final WayBack wayBack;
  private final Consumer<EndpointChange> changes;
  private final CircuitBreaker breaker;
  private final ReentrantLock lock = new ReentrantLock();
  private final ReentrantLock telling = new ReentrantLock();
  private final AtomicInteger era = new AtomicInteger();
  private final AtomicInteger downsInARow = new AtomicInteger();
  private final Queue<EndpointChange> untold = new ConcurrentLinkedQueue<>();
  private volatile @Nullable Failure lastFailure;
  private volatile Judgement.Health downFor = Judgement.Health.UNTOUCHED;
  private volatile long openUntil;

  Breaker(
      String endpoint,
      Time time,
      WayBack wayBack,
      Gates registries,
      Consumer<EndpointChange> changes) {
    this.endpoint = endpoint;
    this.time = time;
    this.wayBack = wayBack;
    this.changes = changes;
    this.breaker = registries.circuitBreakers().circuitBreaker(endpoint, config());
    breaker.getEventPublisher().onStateTransition(this::changed);
  }

  private CircuitBreakerConfig config() {
    return CircuitBreakerConfig.custom()
        .slidingWindow(
            FAILURES_IN_A_ROW,
            FAILURES_IN_A_ROW,
            CircuitBreakerConfig.SlidingWindowType.COUNT_BASED)
        .failureRateThreshold(100)
        .permittedNumberOfCallsInHalfOpenState(1)
        .waitIntervalFunctionInOpenState(downs -> pauseAfterCounted().toMillis())
        // Slow is normal for a model on small hardware, and no fault.
        .slowCallDurationThreshold(Duration.ofDays(1))
        .writableStackTraceEnabled(false)
        .clock(new SteadyClock(time))
        .build();
  }

  /** Whether a call that came now would be turned away. */
  boolean isShut() {
    return breaker.getState() == CircuitBreaker.State.OPEN && openUntil - time.nanos() > 0;
  }

  /** How long it will still be left alone. */
  Duration leftAlone() {
    return Duration.ofNanos(Math.max(0, openUntil - time.nanos()));
  }

  /**
   * Lets a call in.
   *
   * @throws Failure if the endpoint is down, or another call is its trial
   */
  Permit admit() throws Failure {
    Permit permit = permitIfAny();
    try {
      tellChanges();
    } catch (Throwable e) {
      if (permit != null) {
        permit.release();
      }
      throw e;
    }
    if (permit == null) {
      throw Failure.of(FailureKind.CIRCUIT_OPEN, whyShut());
    }
    return permit;
  }

  private @Nullable Permit permitIfAny() {
    int now = era.get();
    if (breaker.getState() == CircuitBreaker.State.CLOSED) {
      // Nothing is counted out while it is closed, so that the many need not queue for the lock.
      return new Permit(now);
    }
    lock.lock();
    try {
      // The era is read second: to be let in may be what begins the trial.
      return breaker.tryAcquirePermission() ? new Permit(era.get()) : null;
    } finally {
      lock.unlock();
    }
  }

  private String whyShut() {
    Failure last = lastFailure;
    String since = last == null ? "" : " since " + last.kind() + " (" + last.message() + ")";
    return "not asked" + since + ", " + untilWhen();
  }

  private String untilWhen() {
    return switch (breaker.getState()) {
      case OPEN -> "asked again in " + leftAlone().toMillis() + " ms";
      case FORCED_OPEN -> "its circuit breaker is forced open";
      default -> "another call is the trial";
    };
  }

  /**
   * What a call holds that was let in. It must have one outcome: {@link #answered}, {@link #failed}
   * or {@link #release}; those after the first do nothing. Used by the thread of the call.
   */
  final class Permit {
    private int let;
    private boolean spent;
    private boolean shared;

    private Permit(int let) {
      this.let = let;
    }

    /** The call has its answer. */
    void answered(long nanos) {
      if (isCurrent() && breaker.getState() == CircuitBreaker.State.CLOSED) {
        spent = true;
        breaker.onSuccess(nanos, TimeUnit.NANOSECONDS);
      } else {
        conclude(() -> count(nanos));
      }
    }

    private void count(long nanos) {
      if (isOfThisEra() || breaker.getState() == CircuitBreaker.State.CLOSED) {
        breaker.onSuccess(nanos, TimeUnit.NANOSECONDS);
      } else if (downFor == Judgement.Health.COUNTS || downFor == Judgement.Health.TRIPS) {
        // Let in before it went down, and served all the same: no better evidence that it is up.
        breaker.transitionToClosedState();
      }
    }

    /** The call has failed. */
    void failed(Failure failure, long nanos) {
      conclude(
          () -> {
            if (isOfThisEra()) {
              judge(failure, nanos);
            }
          });
    }

    private void judge(Failure failure, long nanos) {
      switch (Judgement.of(failure.kind()).health()) {
        case UNTOUCHED -> giveBack();
        case COUNTS -> {
          lastFailure = failure;
          breaker.onError(nanos, TimeUnit.NANOSECONDS, failure);
        }
        case TRIPS, COOLS_DOWN, SET_ASIDE -> {
          giveBack();
          takeDown(failure);
        }
      }
    }

    private void giveBack() {
      if (!shared) {
        breaker.releasePermission();
      }
    }

    /**
     * The endpoint has begun to answer, and the rest takes as long as its reader likes: if this
     * call is the trial, another may be one beside it. Its outcome is heard all the same.
     */
    void letOthersTry() {
      if (shared || spent || breaker.getState() == CircuitBreaker.State.CLOSED) {
        return;
      }
      lock.lock();
      try {
        if (isOfThisEra()) {
          breaker.releasePermission();
          shared = true;
        }
      } finally {
        lock.unlock();
      }
    }

    /** The call ended in a way that says nothing. */
    void release() {
      conclude(
          () -> {
            if (isOfThisEra()) {
              giveBack();
            }
          });
    }

    private void conclude(Runnable outcome) {
      if (spent) {
        return;
      }
      spent = true;
      lock.lock();
      try {
        outcome.run();
      } finally {
        lock.unlock();
      }
      tellChanges();
    }

    /** Whether the endpoint's state is still that in which the call was let in. */
    boolean isCurrent() {
      return !spent && isOfThisEra();
    }

    /**
     * After a pause, for a further try: lets the call in again if this permit is no longer good.
     *
     * @throws Failure if the endpoint is down, or another call is its trial
     */
    void renew() throws Failure {
      if (!isCurrent()) {
        let = admit().let;
        spent = false;
        shared = false;
      }
    }

    private boolean isOfThisEra() {
      return let == era.get();
    }
  }

  private void takeDown(Failure failure) {
    lastFailure = failure;
    Judgement.Health why = Judgement.of(failure.kind()).health();
    breaker.transitionToOpenStateFor(pause(why, failure.retryAfter()));
  }

  private Duration pauseAfterCounted() {
    Failure last = lastFailure;
    return pause(Judgement.Health.COUNTS, last == null ? Optional.empty() : last.retryAfter());
  }

  private Duration pause(Judgement.Health why, Optional<Duration> asked) {
    Duration pause = wayBack.pause(why, downsInARow.incrementAndGet(), asked);
    openUntil = time.nanos() + pause.toNanos();
    downFor = why;
    return pause;
  }

  private void changed(CircuitBreakerOnStateTransitionEvent event) {
    era.incrementAndGet();
    EndpointState from = state(event.getStateTransition().getFromState());
    EndpointState to = state(event.getStateTransition().getToState());
    Failure last = to == EndpointState.UP ? null : lastFailure;
    if (to == EndpointState.UP) {
      downsInARow.set(0);
    }
    untold.add(
        new EndpointChange(
            endpoint,
            from,
            to,
            last == null ? null : last.kind(),
            last == null ? "" : last.message(),
            to == EndpointState.DOWN ? leftAlone() : Duration.ZERO));
  }

  /**
   * Listeners are told in order, by one thread at a time, while none that has to wait: whoever
   * finds another telling leaves its own change to it.
   */
  private void tellChanges() {
    while (!untold.isEmpty() && telling.tryLock()) {
      try {
        for (EndpointChange change = untold.poll(); change != null; change = untold.poll()) {
          changes.accept(change);
        }
      } finally {
        telling.unlock();
      }
    }
  }

  private static EndpointState state(CircuitBreaker.State state) {
    return switch (state) {
      case OPEN, FORCED_OPEN -> EndpointState.DOWN;
      case HALF_OPEN -> EndpointState.TRIAL;
      default -> EndpointState.UP;
    };
  }
}
