// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.FailureKind;
import dev.offmeter.endpoint.EndpointSpec;
import dev.offmeter.endpoint.Transport;
import dev.offmeter.observe.EndpointChange;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.wire.Failure;
import io.github.resilience4j.bulkhead.Bulkhead;
import io.github.resilience4j.bulkhead.BulkheadConfig;
import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import io.github.resilience4j.circuitbreaker.CircuitBreakerConfig;
import io.github.resilience4j.circuitbreaker.event.CircuitBreakerOnStateTransitionEvent;
import io.github.resilience4j.timelimiter.TimeLimiter;
import io.github.resilience4j.timelimiter.TimeLimiterConfig;
import java.time.Duration;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;

/**
 * What stands in front of one endpoint: its circuit breaker, its bulkhead, its time limiter.
 * Whoever was let in must {@link #answered}, {@link #failed} or {@link #abandoned} exactly once,
 * whatever happens, or a permit is lost for ever.
 */
final class Gate {
  /** Two failures in a row: an application that makes a few calls an hour cannot wait for more. */
  private static final int FAILURES_IN_A_ROW = 2;

  private final EndpointSpec spec;
  private final Transport.Opener opener;
  private final Time time;
  private final WayBack wayBack;
  private final Consumer<EndpointChange> changes;
  private final CircuitBreaker breaker;
  private final Bulkhead bulkhead;
  private final TimeLimiter timeLimiter;
  private final Queue<EndpointChange> untold = new ConcurrentLinkedQueue<>();
  private final ReentrantLock leaving = new ReentrantLock();
  private volatile Failure lastFailure = Failure.of(FailureKind.INTERNAL, "");
  private volatile Judgement.Health downFor = Judgement.Health.UNTOUCHED;
  private volatile long openUntil;
  private final AtomicInteger downsInARow = new AtomicInteger();
  private volatile long lastPiece;

  Gate(
      EndpointSpec spec,
      Transport.Opener opener,
      Time time,
      WayBack wayBack,
      Gates gates,
      Consumer<EndpointChange> changes) {
    this.spec = spec;
    this.opener = opener;
    this.time = time;
    this.wayBack = wayBack;
    this.changes = changes;
    this.lastPiece = time.nanos() - Duration.ofDays(1).toNanos();
    this.breaker = gates.circuitBreakers().circuitBreaker(spec.name(), breakerConfig());
    this.bulkhead = gates.bulkheads().bulkhead(spec.name(), bulkheadConfig(spec));
    this.timeLimiter = gates.timeLimiters().timeLimiter(spec.name(), limiterConfig(spec));
    breaker.getEventPublisher().onStateTransition(this::changed);
  }

  private CircuitBreakerConfig breakerConfig() {
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

  private static BulkheadConfig bulkheadConfig(EndpointSpec spec) {
    return BulkheadConfig.custom()
        .maxConcurrentCalls(spec.maxConcurrent())
        .maxWaitDuration(Duration.ZERO)
        .writableStackTraceEnabled(false)
        .build();
  }

  private static TimeLimiterConfig limiterConfig(EndpointSpec spec) {
    return TimeLimiterConfig.custom().timeoutDuration(spec.limits().attempt()).build();
  }

  EndpointSpec spec() {
    return spec;
  }

  Transport.Opener opener() {
    return opener;
  }

  TimeLimiter timeLimiter() {
    return timeLimiter;
  }

  /** Whether a call that came now would be turned away for the endpoint's health. */
  boolean isShut() {
    CircuitBreaker.State state = breaker.getState();
    return state == CircuitBreaker.State.OPEN && openUntil - time.nanos() > 0;
  }

  /** Lets a call in, or says why not. */
  Optional<Failure> enter() {
    if (!mayTry()) {
      return Optional.of(Failure.of(FailureKind.CIRCUIT_OPEN, whyShut()));
    }
    if (!bulkhead.tryAcquirePermission()) {
      breaker.releasePermission();
      return Optional.of(full());
    }
    return Optional.empty();
  }

  private Failure full() {
    return Failure.of(
        FailureKind.GATE_FULL, "all " + spec.maxConcurrent() + " places of maxConcurrent taken");
  }

  private String whyShut() {
    Failure last = lastFailure;
    long left = openUntil - time.nanos();
    String then =
        left > 0
            ? "asked again in " + TimeUnit.NANOSECONDS.toMillis(left) + " ms"
            : "another call is the trial";
    return "not asked since " + last.kind() + " (" + last.message() + "), " + then;
  }

  /** A place that a caller waits for, without a look at the endpoint's health. */
  boolean takePlace() {
    return bulkhead.tryAcquirePermission();
  }

  void givePlaceBack() {
    bulkhead.onComplete();
  }

  /** For a caller that already has its place: whether the endpoint's health lets it in. */
  Optional<Failure> enterWithPlace() {
    return mayTry()
        ? Optional.empty()
        : Optional.of(Failure.of(FailureKind.CIRCUIT_OPEN, whyShut()));
  }

  private boolean mayTry() {
    boolean permitted = breaker.tryAcquirePermission();
    tellChanges();
    return permitted;
  }

  /** The call that was let in has its answer. The place is given back separately. */
  void answered(long nanos) {
    leaving.lock();
    try {
      breaker.onSuccess(nanos, TimeUnit.NANOSECONDS);
      boolean asleep = downFor == Judgement.Health.COOLS_DOWN;
      if (breaker.getState() == CircuitBreaker.State.OPEN && !asleep) {
        // Let in before it went down, and served all the same: no better evidence that it is up.
        breaker.transitionToClosedState();
      }
    } finally {
      leaving.unlock();
    }
    tellChanges();
  }

  /** The call that was let in has failed. The place is given back separately. */
  void failed(Failure failure, long nanos) {
    leaving.lock();
    try {
      switch (Judgement.of(failure.kind()).health()) {
        case UNTOUCHED -> breaker.releasePermission();
        case COUNTS -> {
          lastFailure = failure;
          breaker.onError(nanos, TimeUnit.NANOSECONDS, failure);
        }
        case TRIPS, COOLS_DOWN, SET_ASIDE -> {
          breaker.releasePermission();
          takeDown(failure);
        }
      }
    } finally {
      leaving.unlock();
    }
    tellChanges();
  }

  /** The call that was let in ended in a way that says nothing. */
  void abandoned() {
    breaker.releasePermission();
  }

  /** Calls that fail together take the endpoint down once, and none of them prolongs it. */
  private void takeDown(Failure failure) {
    if (breaker.getState() == CircuitBreaker.State.OPEN) {
      return;
    }
    lastFailure = failure;
    Judgement.Health why = Judgement.of(failure.kind()).health();
    breaker.transitionToOpenStateFor(opens(why, failure.retryAfter()));
  }

  private Duration pauseAfterCounted() {
    return opens(Judgement.Health.COUNTS, lastFailure.retryAfter());
  }

  private Duration opens(Judgement.Health why, Optional<Duration> asked) {
    Duration pause = wayBack.pause(why, downsInARow.incrementAndGet(), asked);
    openUntil = time.nanos() + pause.toNanos();
    downFor = why;
    return pause;
  }

  private void changed(CircuitBreakerOnStateTransitionEvent event) {
    EndpointState from = state(event.getStateTransition().getFromState());
    EndpointState to = state(event.getStateTransition().getToState());
    if (to == EndpointState.UP) {
      downsInARow.set(0);
    }
    Failure last = lastFailure;
    boolean down = to == EndpointState.DOWN;
    untold.add(
        new EndpointChange(
            spec.name(),
            from,
            to,
            to == EndpointState.UP ? null : last.kind(),
            to == EndpointState.UP ? "" : last.message(),
            down ? Duration.ofNanos(Math.max(0, openUntil - time.nanos())) : Duration.ZERO));
  }

  /** Listeners are told without a lock held. */
  private void tellChanges() {
    for (EndpointChange change = untold.poll(); change != null; change = untold.poll()) {
      changes.accept(change);
    }
  }

  private static EndpointState state(CircuitBreaker.State state) {
    return switch (state) {
      case OPEN, FORCED_OPEN -> EndpointState.DOWN;
      case HALF_OPEN -> EndpointState.TRIAL;
      default -> EndpointState.UP;
    };
  }

  /** Some call here has got a piece of its answer. */
  void piece(long now) {
    lastPiece = now;
  }

  /** Whether a call other than the one whose last piece came at {@code own} is being served. */
  boolean servesOthers(long now, long own) {
    long seen = lastPiece;
    return seen - own > 0 && now - seen < spec.limits().stall().toNanos();
  }
}
