// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.circuit;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.UserCode;
import dev.offmeter.internal.time.MonotonicClock;
import dev.offmeter.internal.time.TimeSource;
import dev.offmeter.observe.EndpointChange;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.observe.Resilience4jRegistries;
import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import io.github.resilience4j.circuitbreaker.CircuitBreakerConfig;
import io.github.resilience4j.circuitbreaker.event.CircuitBreakerOnStateTransitionEvent;
import java.time.Duration;
import java.time.Instant;
import java.util.EnumSet;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * The circuit breaker of one endpoint: whether calls are let in, and what their outcomes say of its
 * health. Safe for use by many threads.
 *
 * <p>Each change of state begins a new era. A call that was let in before it holds no permit of the
 * era and knows nothing new: its failure is ignored, or it would lengthen a pause or spoil a trial
 * that it has no part in.
 */
public final class EndpointCircuitBreaker {
  /**
   * The longest load of a model. Ollama itself gives up a load that makes no progress for 5 min
   * (OLLAMA_LOAD_TIMEOUT).
   */
  public static final Duration MODEL_LOAD_TIMEOUT = Duration.ofMinutes(10);

  /** Two failures in a row: an application that makes a few calls an hour cannot wait for more. */
  private static final int FAILURES_IN_A_ROW = 2;

  /** After these, a call that was let in before and is served all the same brings it back. */
  private static final Set<HealthEffect> DISPROVED_BY_SUCCESS =
      EnumSet.of(HealthEffect.COUNT_FAILURE, HealthEffect.OPEN, HealthEffect.LOAD_MODEL);

  /**
   * An endpoint that has answered, or was seen to come back, has the right path and model: these
   * are an outage of it.
   */
  private static final Set<FailureKind> OUTAGE_ONCE_HEALTHY =
      EnumSet.of(FailureKind.PATH_NOT_FOUND, FailureKind.MODEL_NOT_FOUND);

  /** A failure that took no longer costs a caller next to nothing. */
  private static final long FAST_FAILURE = Duration.ofSeconds(1).toNanos();

  private static final Duration MINIMAL_WAIT = Duration.ofMillis(1);

  private final CircuitBreaker circuitBreaker;
  private final ReentrantLock lock = new ReentrantLock();
  private final Function<FailureKind, HealthEffect> effects;
  private final BackoffState backoff;
  private final EndpointStateTracker stateTracker;
  private final MonotonicClock clock;
  private volatile @Nullable AttemptException lastFailure;
  private volatile boolean warming;
  private volatile boolean everHealthy;

  /** Failures that counted since the last answer. Counted under the lock. */
  private volatile int consecutiveFailures;

  /** Whether the failure that counts is told at once. Changed under the lock. */
  private boolean failedFast;

  /** What it was down for when its model began to be loaded; null if it was not down. */
  private @Nullable AttemptException failureBeforeWarming;

  public EndpointCircuitBreaker(
      String name,
      String origin,
      TimeSource time,
      BackoffPolicy backoffPolicy,
      Function<FailureKind, HealthEffect> effects,
      Resilience4jRegistries registries,
      Consumer<EndpointChange> own,
      Consumer<EndpointChange> changes) {
    this.effects = effects;
    this.backoff = new BackoffState(time, backoffPolicy);
    this.clock = new MonotonicClock(time);
    this.stateTracker = new EndpointStateTracker(name, origin, clock, own, changes);
    this.circuitBreaker = registries.circuitBreakers().circuitBreaker(name, config());
    // First of all consumers: an application's that throws keeps those behind it from hearing.
    circuitBreaker
        .getEventPublisher()
        .onEvent(
            event -> {
              if (event instanceof CircuitBreakerOnStateTransitionEvent transition) {
                onTransition(transition);
              }
            });
  }

  private CircuitBreakerConfig config() {
    return CircuitBreakerConfig.custom()
        .slidingWindow(
            FAILURES_IN_A_ROW,
            FAILURES_IN_A_ROW,
            CircuitBreakerConfig.SlidingWindowType.COUNT_BASED)
        .failureRateThreshold(100)
        .permittedNumberOfCallsInHalfOpenState(1)
        .waitIntervalFunctionInOpenState(downs -> startCountedBackoff())
        // Slow is normal for a model on small hardware, and no fault.
        .slowCallDurationThreshold(Duration.ofDays(1))
        .writableStackTraceEnabled(false)
        .clock(clock)
        .build();
  }

  /** Whether a call that came now would be turned away. */
  public boolean isOpen() {
    return circuitBreaker.getState() == CircuitBreaker.State.OPEN && backoff.isActive();
  }

  /** Whether its model is being loaded. */
  public boolean isWarming() {
    return warming;
  }

  /** Whether a call goes there, if only for a trial. */
  public boolean isUpOrTrial() {
    EndpointState now = stateTracker.current();
    return now == EndpointState.UP || now == EndpointState.TRIAL;
  }

  /**
   * How it stands at one moment.
   *
   * @param lastFailure what went wrong last; null while it is up
   */
  public record Snapshot(
      EndpointState state,
      Instant since,
      Duration stateDuration,
      @Nullable AttemptException lastFailure) {}

  public Snapshot snapshot() {
    lock.lock();
    try {
      AttemptException why = stateTracker.current() == EndpointState.UP ? null : lastFailure;
      return new Snapshot(
          stateTracker.current(), stateTracker.since(), stateTracker.stateDuration(), why);
    } finally {
      lock.unlock();
    }
  }

  /** How long it will still be left alone. */
  public Duration remainingBackoff() {
    return backoff.remaining();
  }

  /** Whether the server has named the pause itself. */
  public boolean isBackoffSetByServer() {
    return backoff.isSetByServer();
  }

  /** How many trials have failed since it was up last. */
  public int failedTrials() {
    return backoff.failedTrials();
  }

  /** Whether a call found nobody there, which is evidence enough that it was down. */
  public boolean isTrippedAtOnce() {
    return backoff.effect() == HealthEffect.OPEN;
  }

  /**
   * Lets a call in.
   *
   * @throws AttemptException if the endpoint is down, or another call is its trial
   */
  public Permit acquirePermit() throws AttemptException {
    Permit permit = tryAcquirePermit();
    try {
      stateTracker.deliver();
    } catch (Throwable e) {
      if (permit != null) {
        permit.release();
      }
      throw e;
    }
    if (permit == null) {
      throw circuitOpenFailure(rejectionMessage());
    }
    return permit;
  }

  private @Nullable Permit tryAcquirePermit() {
    int now = stateTracker.generation();
    if (circuitBreaker.getState() == CircuitBreaker.State.CLOSED) {
      // Nothing is counted out while it is closed, so that the many need not queue for the lock.
      return new Permit(now);
    }
    lock.lock();
    try {
      // The era is read second: to be let in may be what begins the trial.
      return !isOpen() && tryAcquirePermission() ? new Permit(stateTracker.generation()) : null;
    } finally {
      lock.unlock();
    }
  }

  /**
   * Whether a permission was had. Resilience4j writes a log in the midst of it, which may throw.
   */
  private boolean tryAcquirePermission() {
    try {
      return UserCode.call(circuitBreaker::tryAcquirePermission);
    } catch (UserCode.UserCodeException e) {
      // If that was to tell that the trial begins, it has begun, and nothing is told any more.
      return circuitBreaker.getState() == CircuitBreaker.State.HALF_OPEN
          && UserCode.run(this::acquirePermission) == null;
    }
  }

  private void acquirePermission() {
    if (!circuitBreaker.tryAcquirePermission()) {
      throw new IllegalStateException("another call is the trial");
    }
  }

  /** What a call is told that is not let in. */
  public AttemptException circuitOpenFailure(String why) {
    AttemptException last = lastFailure;
    return AttemptException.of(FailureKind.CIRCUIT_OPEN, why)
        .withOpenedBy(last == null ? null : last.kind());
  }

  private String rejectionMessage() {
    AttemptException last = lastFailure;
    String since = last == null ? "" : " since " + last.kind() + " (" + last.message() + ")";
    return "not asked" + since + ", " + nextTryMessage();
  }

  private String nextTryMessage() {
    return switch (circuitBreaker.getState()) {
      case OPEN -> warming ? "its model is being loaded" : nextTryWhileDownMessage();
      case FORCED_OPEN -> "its circuit breaker is forced open";
      default -> "another call is the trial";
    };
  }

  private String nextTryWhileDownMessage() {
    return backoff.isHeld()
        ? "asked again when a health check finds it well"
        : "asked again in " + remainingBackoff().toMillis() + " ms";
  }

  /**
   * What a call holds that was let in. It must have one outcome: {@link #onSuccess}, {@link
   * #onFailure} or {@link #release}; those after the first do nothing. Used by the thread of the
   * call.
   */
  public final class Permit {
    private int generation;
    private boolean concluded;
    private boolean trialSlotReleased;

    private Permit(int generation) {
      this.generation = generation;
    }

    /** The call has its answer. */
    public void onSuccess(long nanos) {
      if (!everHealthy) {
        everHealthy = true;
      }
      if (consecutiveFailures > 0) {
        consecutiveFailures = 0;
      }
      if (isCurrent() && circuitBreaker.getState() == CircuitBreaker.State.CLOSED) {
        concluded = true;
        UserCode.ignore(() -> circuitBreaker.onSuccess(nanos, TimeUnit.NANOSECONDS));
        backoff.reset();
      } else {
        conclude(() -> count(nanos));
      }
    }

    private void count(long nanos) {
      if (!warming
          && (isOfThisGeneration() || circuitBreaker.getState() == CircuitBreaker.State.CLOSED)) {
        Throwable untold =
            UserCode.run(() -> circuitBreaker.onSuccess(nanos, TimeUnit.NANOSECONDS));
        if (untold != null) {
          // Its log threw before it had counted; a permission would be lost.
          transition(circuitBreaker::transitionToClosedState);
        }
      } else if (DISPROVED_BY_SUCCESS.contains(backoff.effect())) {
        // No better evidence that it is up.
        warming = false;
        transition(circuitBreaker::transitionToClosedState);
      }
      backoff.reset();
    }

    /** The call has failed. */
    public void onFailure(AttemptException failure, long nanos) {
      conclude(
          () -> {
            if (isOfThisGeneration()) {
              apply(failure, nanos);
            }
          });
    }

    /** The call was refused, as were others before it, and the endpoint is to be left alone. */
    public void onRefused(AttemptException failure) {
      conclude(
          () -> {
            if (isOfThisGeneration()) {
              releasePermission();
              failedFast = false;
              openFor(failure, HealthEffect.COUNT_FAILURE);
            }
          });
    }

    private void apply(AttemptException failure, long nanos) {
      failedFast = nanos < FAST_FAILURE && isLikelyBrief(failure);
      switch (effectOf(failure)) {
        case NONE, LOAD_MODEL -> releasePermission();
        case COUNT_FAILURE -> {
          lastFailure = failure;
          count(failure, nanos);
        }
        case OPEN, COOL_DOWN, OPEN_UNTIL_REPAIRED -> {
          releasePermission();
          openFor(failure);
        }
      }
    }

    private void count(AttemptException failure, long nanos) {
      Throwable untold =
          UserCode.run(() -> circuitBreaker.onError(nanos, TimeUnit.NANOSECONDS, failure));
      int failures = consecutiveFailures + 1;
      consecutiveFailures = failures;
      CircuitBreaker.State now = circuitBreaker.getState();
      if (untold != null && now == CircuitBreaker.State.HALF_OPEN) {
        // Its log threw before it had counted; a permission would be lost.
        releasePermission();
        openFor(failure, HealthEffect.COUNT_FAILURE);
      } else if (untold != null
          && now == CircuitBreaker.State.CLOSED
          && failures >= FAILURES_IN_A_ROW) {
        // Nor has it counted those before.
        openFor(failure, HealthEffect.COUNT_FAILURE);
      }
    }

    private void releasePermission() {
      if (!trialSlotReleased) {
        circuitBreaker.releasePermission();
      }
    }

    /**
     * The endpoint has begun to answer, and the rest takes as long as its reader likes: if this
     * call is the trial, another may be one beside it. Its outcome is heard all the same.
     */
    public void releaseTrialSlot() {
      if (trialSlotReleased
          || concluded
          || circuitBreaker.getState() == CircuitBreaker.State.CLOSED) {
        return;
      }
      lock.lock();
      try {
        if (isOfThisGeneration()) {
          circuitBreaker.releasePermission();
          trialSlotReleased = true;
        }
      } finally {
        lock.unlock();
      }
    }

    /** The call ended in a way that says nothing. */
    public void release() {
      conclude(
          () -> {
            if (isOfThisGeneration()) {
              releasePermission();
            }
          });
    }

    private void conclude(Runnable outcome) {
      if (concluded) {
        return;
      }
      concluded = true;
      lock.lock();
      try {
        outcome.run();
      } finally {
        lock.unlock();
      }
      stateTracker.deliver();
    }

    /** Whether its outcome decides if the endpoint is back. */
    public boolean isTrial() {
      return isCurrent() && circuitBreaker.getState() == CircuitBreaker.State.HALF_OPEN;
    }

    /** Whether the endpoint's state is still that in which the call was let in. */
    public boolean isCurrent() {
      return !concluded && isOfThisGeneration();
    }

    /**
     * After a pause, for a further try: lets the call in again if this permit is no longer good.
     *
     * @throws AttemptException if the endpoint is down, or another call is its trial
     */
    public void renew() throws AttemptException {
      if (!isCurrent()) {
        generation = acquirePermit().generation;
        concluded = false;
        trialSlotReleased = false;
      }
    }

    private boolean isOfThisGeneration() {
      return generation == stateTracker.generation();
    }
  }

  /**
   * It is down, whatever it was.
   *
   * @param first what is done before listeners are told
   */
  public void forceOpen(AttemptException failure, Runnable first) {
    change(
        () -> {
          if (!stateTracker.isDown()) {
            failedFast = false;
            openFor(failure);
          }
        },
        first);
  }

  /**
   * It is down for this reason, and if it was for another that counts in the same way, that was its
   * symptom.
   *
   * @param first what is done before listeners are told
   */
  public void forceOpenFor(AttemptException failure, Runnable first) {
    change(
        () -> {
          if (!stateTracker.isDown()) {
            failedFast = false;
            openFor(failure);
          } else if (backoff.effect() == effectOf(failure) && isOtherKind(failure)) {
            lastFailure = failure;
            stateTracker.announce(failure, remainingBackoff());
          }
        },
        first);
  }

  private boolean isOtherKind(AttemptException failure) {
    AttemptException last = lastFailure;
    return last == null || last.kind() != failure.kind();
  }

  /**
   * Its settings are wrong, which from now on is what it is down for: an outage before that is
   * over.
   *
   * @param first what is done before listeners are told
   */
  public void openUntilRepaired(AttemptException failure, Runnable first) {
    change(
        () -> {
          AttemptException before = warming ? failureBeforeWarming : lastFailure;
          boolean other = before != null && before.kind() != failure.kind();
          if (circuitBreaker.getState() == CircuitBreaker.State.FORCED_OPEN) {
            return;
          }
          if (other) {
            backoff.reset();
          }
          if (other || !stateTracker.isDown()) {
            failedFast = false;
            openFor(failure);
          }
        },
        first);
  }

  private void openFor(AttemptException failure) {
    openFor(failure, effectOf(failure));
  }

  private void openFor(AttemptException failure, HealthEffect effect) {
    lastFailure = failure;
    startBackoff(effect, failure.retryAfter());
    open();
  }

  private HealthEffect effectOf(AttemptException failure) {
    if (failure.isBlameless()) {
      return HealthEffect.NONE;
    }
    return everHealthy && OUTAGE_ONCE_HEALTHY.contains(failure.kind())
        ? HealthEffect.OPEN
        : effects.apply(failure.kind());
  }

  /** A router says so while a model is being loaded, and its own health check is well meanwhile. */
  private boolean isLikelyBrief(AttemptException failure) {
    HealthEffect effect = effectOf(failure);
    boolean ofServer = effect == HealthEffect.COUNT_FAILURE || effect == HealthEffect.COOL_DOWN;
    return (ofServer && failure.status() >= 500)
        || (effect == HealthEffect.OPEN && OUTAGE_ONCE_HEALTHY.contains(failure.kind()));
  }

  /** How long it stays shut is decided here; the breaker's own wait is over at once. */
  private void open() {
    if (circuitBreaker.getState() == CircuitBreaker.State.OPEN) {
      enterState(warming ? EndpointState.WARMING : EndpointState.DOWN);
    } else {
      transition(() -> circuitBreaker.transitionToOpenStateFor(MINIMAL_WAIT));
    }
  }

  /**
   * Its model is being loaded: no call goes there, until {@link #onModelLoaded} or {@link
   * #forceOpen}.
   *
   * @param again whether it was loaded a short while ago, and yet is cold: then a pause has to be
   *     kept that grows
   * @param first what is done before listeners are told, if that is so
   * @return whether that is so; not while a pause has to be kept
   */
  public boolean beginWarming(AttemptException why, boolean again, Runnable first) {
    change(
        () -> {
          if (!warming && (stateTracker.current() == EndpointState.UP || canHalfOpen())) {
            enterWarming(why, again);
          }
        },
        () -> {
          if (warming) {
            first.run();
          }
        });
    return warming;
  }

  private void enterWarming(AttemptException why, boolean again) {
    failureBeforeWarming = stateTracker.isDown() ? lastFailure : null;
    if (again) {
      failedFast = false;
      startBackoff(HealthEffect.COUNT_FAILURE, Optional.empty());
    }
    lastFailure = why;
    warming = true;
    backoff.startLoad();
    open();
  }

  /** Its model is loaded: a long piece of work, done well. */
  public void onModelLoaded() {
    change(
        () -> {
          if (!warming) {
            return;
          }
          warming = false;
          if (wasOpenUntilRepaired() || !canHalfOpen()) {
            reopenAsBefore();
          } else if (backoff.isFirstOutage()) {
            transition(circuitBreaker::transitionToClosedState);
          } else {
            transition(circuitBreaker::transitionToHalfOpenState);
          }
        });
  }

  /** A loaded model mends nothing that a person must, unless it is that it was missing. */
  private boolean wasOpenUntilRepaired() {
    AttemptException before = failureBeforeWarming;
    return before != null
        && before.kind() != FailureKind.MODEL_NOT_FOUND
        && effectOf(before) == HealthEffect.OPEN_UNTIL_REPAIRED;
  }

  /** Whether it has no such model, as far as is known since it was made. */
  public boolean isOpenUntilModelExists() {
    return isModelNotFound() && !everHealthy;
  }

  /** Whether it was set aside because it has no such model. */
  public boolean isModelNotFound() {
    AttemptException last = lastFailure;
    return stateTracker.isDown() && last != null && last.kind() == FailureKind.MODEL_NOT_FOUND;
  }

  private void reopenAsBefore() {
    AttemptException before = failureBeforeWarming;
    if (before != null) {
      lastFailure = before;
      backoff.restore(effectOf(before));
    }
    backoff.clearHold();
    enterState(EndpointState.DOWN);
  }

  /**
   * There is evidence that it is back: the next call is the trial, unless a pause is to be kept.
   */
  public void tryHalfOpen() {
    change(
        () -> {
          if (!stateTracker.isDown() || circuitBreaker.getState() != CircuitBreaker.State.OPEN) {
            return;
          }
          backoff.clearHold();
          if (canHalfOpen()) {
            // What a gateway says from now on while the rest starts is no wrong setting either.
            everHealthy = true;
            transition(circuitBreaker::transitionToHalfOpenState);
          }
        });
  }

  /** A cold model is no reason any more to keep calls away. */
  public void endBackoffOfUnloadedModel() {
    AttemptException last = lastFailure;
    if (last != null && last.kind() == FailureKind.MODEL_COLD) {
      endBackoff();
    }
  }

  /** A person says that it is repaired, whatever the pause: the next call is the trial. */
  public void endBackoff() {
    change(
        () -> {
          if (stateTracker.isDown() && circuitBreaker.getState() == CircuitBreaker.State.OPEN) {
            backoff.end();
            transition(circuitBreaker::transitionToHalfOpenState);
          }
        });
  }

  /** Whether evidence that it is back is believed now. */
  public boolean canHalfOpen() {
    return backoff.canEndEarly();
  }

  /** There is evidence that it is not back: it stays shut, pause or no pause. */
  public void extendOpenUntil(long nanos) {
    lock.lock();
    try {
      if (stateTracker.isDown()) {
        backoff.extendHold(nanos);
      }
    } finally {
      lock.unlock();
    }
  }

  private void change(Runnable change) {
    change(change, () -> {});
  }

  private void change(Runnable change, Runnable first) {
    lock.lock();
    try {
      change.run();
    } finally {
      lock.unlock();
    }
    stateTracker.deliverAfter(first);
  }

  private long startCountedBackoff() {
    AttemptException last = lastFailure;
    startBackoff(HealthEffect.COUNT_FAILURE, last == null ? Optional.empty() : last.retryAfter());
    return MINIMAL_WAIT.toMillis();
  }

  private void startBackoff(HealthEffect effect, Optional<Duration> asked) {
    if (failedFast && asked.isEmpty()) {
      backoff.startShort(effect);
    } else {
      backoff.start(effect, asked);
    }
    warming = false;
  }

  /** Changes the state, of which {@link #onTransition} hears before Resilience4j writes its log. */
  private static void transition(UserCode.Action transition) {
    UserCode.ignore(transition);
  }

  private void onTransition(CircuitBreakerOnStateTransitionEvent event) {
    enterState(
        switch (event.getStateTransition().getToState()) {
          case OPEN, FORCED_OPEN -> warming ? EndpointState.WARMING : EndpointState.DOWN;
          case HALF_OPEN -> EndpointState.TRIAL;
          default -> EndpointState.UP;
        });
  }

  private void enterState(EndpointState to) {
    stateTracker.enter(
        to,
        to == EndpointState.UP ? null : lastFailure,
        to == EndpointState.DOWN ? remainingBackoff() : Duration.ZERO);
  }
}
