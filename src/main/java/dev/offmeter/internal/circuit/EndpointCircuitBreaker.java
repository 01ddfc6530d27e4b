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
 * The circuit breaker of one endpoint: decides whether calls are admitted, and what their outcomes
 * say about the endpoint's health. Safe for use by many threads.
 *
 * <p>Each change of state begins a new generation. A call admitted in an earlier one knows nothing
 * new, so its failure is ignored: it would lengthen a back-off, or fail a trial, in which it has no
 * part.
 */
public final class EndpointCircuitBreaker {
  /**
   * The longest load of a model. Ollama itself gives up a load that makes no progress for 5 min
   * (OLLAMA_LOAD_TIMEOUT).
   */
  public static final Duration MODEL_LOAD_TIMEOUT = Duration.ofMinutes(10);

  /**
   * Two failures in a row open the circuit: an application that makes a few calls an hour cannot
   * wait for more.
   */
  private static final int FAILURES_IN_A_ROW = 2;

  /** Outages that end when a call admitted before them is served all the same. */
  private static final Set<HealthEffect> DISPROVED_BY_SUCCESS =
      EnumSet.of(HealthEffect.COUNT_FAILURE, HealthEffect.OPEN, HealthEffect.LOAD_MODEL);

  /**
   * Failures that count as an outage of an endpoint that has answered before, or was seen to
   * recover: path and model are then known to be right.
   */
  private static final Set<FailureKind> OUTAGE_ONCE_HEALTHY =
      EnumSet.of(FailureKind.PATH_NOT_FOUND, FailureKind.MODEL_NOT_FOUND);

  /**
   * A failure that took less than this costs a caller next to nothing, so its back-off may be
   * short.
   */
  private static final long FAST_FAILURE = Duration.ofSeconds(1).toNanos();

  private static final Duration MINIMAL_WAIT = Duration.ofMillis(1);

  private final CircuitBreaker circuitBreaker;
  private final ReentrantLock lock = new ReentrantLock();
  private final Function<FailureKind, HealthEffect> effects;
  private final BackoffState backoff;
  private final EndpointStateTracker stateTracker;
  private final MonotonicClock clock;

  // Written under the lock, or (warming) by a thread of the application that opens the Resilience4j
  // breaker; read by any.
  private volatile @Nullable AttemptException lastFailure;
  private volatile boolean warming;

  // Only ever set to true, by any thread.
  private volatile boolean everHealthy;

  /**
   * Failures that counted since the last answer. Incremented under the lock; reset without it by a
   * call that was served, because a lost increment of a race between the two does no harm.
   */
  private volatile int consecutiveFailures;

  /** Whether the server reported the failure that counts at once. Guarded by the lock. */
  private boolean failedFast;

  /**
   * Why the endpoint was DOWN when its model began to load; null if it was not. Guarded by the
   * lock.
   */
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
    // Registered before any other consumer, because one that throws keeps those behind it from
    // being called.
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
        // Being slow is normal for a model on small hardware, and no failure.
        .slowCallDurationThreshold(Duration.ofDays(1))
        .writableStackTraceEnabled(false)
        .clock(clock)
        .build();
  }

  /**
   * Returns whether a back-off keeps calls away now. A circuit that was forced open from outside,
   * and a trial that another call is making, reject calls too and are not told here.
   */
  public boolean isOpen() {
    return circuitBreaker.getState() == CircuitBreaker.State.OPEN && backoff.isActive();
  }

  /** Returns whether the endpoint's model is being loaded. */
  public boolean isWarming() {
    return warming;
  }

  /**
   * Returns whether the state is UP or TRIAL. A call is admitted in DOWN too, as the trial, once
   * the back-off has passed.
   */
  public boolean isUpOrTrial() {
    EndpointState now = stateTracker.current();
    return now == EndpointState.UP || now == EndpointState.TRIAL;
  }

  /**
   * The state at one moment.
   *
   * @param lastFailure the last failure; null while the endpoint is UP
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

  /** Returns how long calls are still kept away. */
  public Duration remainingBackoff() {
    return backoff.remaining();
  }

  /** Returns whether the server named the length of the back-off. */
  public boolean isBackoffSetByServer() {
    return backoff.isSetByServer();
  }

  /** Returns how many trials have failed since the endpoint was last UP. */
  public int failedTrials() {
    return backoff.failedTrials();
  }

  /**
   * Returns whether a single failure opened the circuit, such as a refused connection, which is
   * evidence enough of an outage.
   */
  public boolean isTrippedAtOnce() {
    return backoff.effect() == HealthEffect.OPEN;
  }

  /**
   * Admits a call.
   *
   * @throws AttemptException if the endpoint is DOWN, or another call is its trial
   */
  public Permit acquirePermit() throws AttemptException {
    Permit permit = tryAcquirePermit();
    try {
      stateTracker.deliver();
    } catch (Throwable e) {
      // A listener may throw an error while it is notified; the permit must not leak then.
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
      // While the circuit is closed, permissions are unlimited, so callers need not queue for the
      // lock.
      return new Permit(now);
    }
    lock.lock();
    try {
      // The generation is read after the permission is taken, because taking it may begin the trial
      // and with it a new generation.
      return !isOpen() && tryAcquirePermission() ? new Permit(stateTracker.generation()) : null;
    } finally {
      lock.unlock();
    }
  }

  /**
   * Takes a permission of the circuit breaker; returns whether there was one. Resilience4j writes a
   * log line while it does so, and the log may throw.
   */
  private boolean tryAcquirePermission() {
    try {
      return UserCode.call(circuitBreaker::tryAcquirePermission);
    } catch (UserCode.UserCodeException e) {
      // If the log threw while it reported HALF_OPEN, the state has changed all the same, and a
      // second try reports nothing.
      return circuitBreaker.getState() == CircuitBreaker.State.HALF_OPEN
          && UserCode.run(this::acquirePermission) == null;
    }
  }

  private void acquirePermission() {
    if (!circuitBreaker.tryAcquirePermission()) {
      throw new IllegalStateException("half-open: another trial is already running");
    }
  }

  /** Returns the failure of a call that is not admitted. */
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
      default -> "half-open: another trial is already running";
    };
  }

  private String nextTryWhileDownMessage() {
    return backoff.isHeld()
        ? "asked again when a health check finds it well"
        : "asked again in " + remainingBackoff().toMillis() + " ms";
  }

  /**
   * The admission of one call. It has exactly one outcome: the first of {@link #onSuccess}, {@link
   * #onFailure}, {@link #onRefused} and {@link #release} counts, and those after it do nothing.
   * Used by the thread of the call.
   */
  public final class Permit {
    // Owned by the thread of the call.
    private int generation;
    private boolean concluded;

    private Permit(int generation) {
      this.generation = generation;
    }

    /** Records that the call has its complete answer. */
    public void onSuccess(long nanos) {
      // Fields shared by all callers are read before they are written: an unconditional write by
      // every call would make them contend.
      if (!everHealthy) {
        everHealthy = true;
      }
      if (consecutiveFailures > 0) {
        consecutiveFailures = 0;
      }
      // The common case needs no lock: the state cannot have changed to the worse by this answer.
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
        Throwable logFailure =
            UserCode.run(() -> circuitBreaker.onSuccess(nanos, TimeUnit.NANOSECONDS));
        if (logFailure != null) {
          // Resilience4j's log threw before the outcome was counted; the permission would leak, and
          // the trial never end.
          transition(circuitBreaker::transitionToClosedState);
        }
      } else if (DISPROVED_BY_SUCCESS.contains(backoff.effect())) {
        // An answer is the best evidence that the endpoint is UP.
        warming = false;
        transition(circuitBreaker::transitionToClosedState);
      }
      backoff.reset();
    }

    /** Records that the call has failed. */
    public void onFailure(AttemptException failure, long nanos) {
      conclude(
          () -> {
            if (isOfThisGeneration()) {
              apply(failure, nanos);
            }
          });
    }

    /** Records that the call was refused, as others before it were, and takes the endpoint DOWN. */
    public void onRefused(AttemptException failure) {
      conclude(
          () -> {
            if (isOfThisGeneration()) {
              circuitBreaker.releasePermission();
              failedFast = false;
              openFor(failure, HealthEffect.COUNT_FAILURE);
            }
          });
    }

    private void apply(AttemptException failure, long nanos) {
      failedFast = nanos < FAST_FAILURE && isLikelyBrief(failure);
      switch (effectOf(failure)) {
        case NONE, LOAD_MODEL -> circuitBreaker.releasePermission();
        case COUNT_FAILURE -> {
          lastFailure = failure;
          count(failure, nanos);
        }
        case OPEN, COOL_DOWN, OPEN_UNTIL_REPAIRED -> {
          circuitBreaker.releasePermission();
          openFor(failure);
        }
      }
    }

    private void count(AttemptException failure, long nanos) {
      Throwable logFailure =
          UserCode.run(() -> circuitBreaker.onError(nanos, TimeUnit.NANOSECONDS, failure));
      int failures = consecutiveFailures + 1;
      consecutiveFailures = failures;
      CircuitBreaker.State now = circuitBreaker.getState();
      if (logFailure != null && now == CircuitBreaker.State.HALF_OPEN) {
        // Resilience4j's log threw before the outcome was counted; the permission would leak, and
        // the trial never end.
        circuitBreaker.releasePermission();
        openFor(failure, HealthEffect.COUNT_FAILURE);
      } else if (logFailure != null
          && now == CircuitBreaker.State.CLOSED
          && failures >= FAILURES_IN_A_ROW) {
        // A log that throws has kept Resilience4j from counting the earlier failures too, so they
        // are counted here.
        openFor(failure, HealthEffect.COUNT_FAILURE);
      }
    }

    /**
     * Called when the answer begins to reach a reader, who may take any time over the rest. A trial
     * has passed by that, or a reader who rests would keep all other calls away. If the stream
     * breaks later, that is a failure like any other; only a whole answer resets the back-off.
     */
    public void onDelivery() {
      if (isTrial()) {
        change(this::passTrial);
      }
    }

    private void passTrial() {
      if (isTrial()) {
        transition(circuitBreaker::transitionToClosedState);
        generation = stateTracker.generation();
      }
    }

    /** Returns the permit without an outcome, because the call says nothing about the endpoint. */
    public void release() {
      conclude(
          () -> {
            if (isOfThisGeneration()) {
              circuitBreaker.releasePermission();
            }
          });
    }

    // Listeners are notified after the lock is released: they may block, or call back into the
    // client.
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

    /** Returns whether this call is the trial. */
    public boolean isTrial() {
      return isCurrent() && circuitBreaker.getState() == CircuitBreaker.State.HALF_OPEN;
    }

    /** Returns whether the endpoint's state is still the one in which the call was admitted. */
    public boolean isCurrent() {
      return !concluded && isOfThisGeneration();
    }

    /**
     * Admits the call again after a back-off before a retry, if this permit is no longer current.
     *
     * @throws AttemptException if the endpoint is DOWN, or another call is its trial
     */
    public void renew() throws AttemptException {
      if (!isCurrent()) {
        generation = acquirePermit().generation;
        concluded = false;
      }
    }

    private boolean isOfThisGeneration() {
      return generation == stateTracker.generation();
    }
  }

  /**
   * Takes the endpoint DOWN, unless it is DOWN already.
   *
   * @param first runs before listeners are notified
   */
  public void openUnlessOpen(AttemptException failure, Runnable first) {
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
   * Takes the endpoint DOWN, or, if it is DOWN for a failure that counts in the same way, replaces
   * the reason: that failure was a symptom of this one.
   *
   * @param first runs before listeners are notified
   */
  public void openOrReplaceReason(AttemptException failure, Runnable first) {
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
   * Takes the endpoint DOWN until an operator acts, because its settings are wrong. This replaces
   * an outage, whose reason is over.
   *
   * @param first runs before listeners are notified
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

  /**
   * Returns whether the outage is likely to be short: a router answers so while a model is being
   * loaded, although its own health check passes.
   */
  private boolean isLikelyBrief(AttemptException failure) {
    HealthEffect effect = effectOf(failure);
    boolean ofServer = effect == HealthEffect.COUNT_FAILURE || effect == HealthEffect.COOL_DOWN;
    return (ofServer && failure.status() >= 500)
        || (effect == HealthEffect.OPEN && OUTAGE_ONCE_HEALTHY.contains(failure.kind()));
  }

  /**
   * Opens the circuit. {@link BackoffState} decides for how long; Resilience4j's own wait is
   * minimal, so that it never delays a trial.
   */
  private void open() {
    if (circuitBreaker.getState() == CircuitBreaker.State.OPEN) {
      enterState(warming ? EndpointState.WARMING : EndpointState.DOWN);
    } else {
      transition(() -> circuitBreaker.transitionToOpenStateFor(MINIMAL_WAIT));
    }
  }

  /**
   * Marks the endpoint as WARMING, because its model is being loaded: no call is admitted until
   * {@link #onModelLoaded} or {@link #openUnlessOpen}. Does nothing while a back-off must be kept.
   *
   * @param again whether the model was loaded a short while ago and yet is cold; starts a growing
   *     back-off then, so that an unstable server is not made to load without end
   * @param first runs before listeners are notified, if the endpoint is now WARMING
   * @return whether the endpoint is now WARMING
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

  /**
   * Ends WARMING: the endpoint is UP, or half-open if a trial had failed before. If the load has
   * not cured the outage, the endpoint is DOWN as before.
   */
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

  /**
   * Returns whether the endpoint required operator action before the load, which a loaded model
   * does not replace, unless the missing model was the reason.
   */
  private boolean wasOpenUntilRepaired() {
    AttemptException before = failureBeforeWarming;
    return before != null
        && before.kind() != FailureKind.MODEL_NOT_FOUND
        && effectOf(before) == HealthEffect.OPEN_UNTIL_REPAIRED;
  }

  /**
   * Returns whether the endpoint is DOWN because it has no such model, and never had one as far as
   * this client knows.
   */
  public boolean isOpenUntilModelExists() {
    return isModelNotFound() && !everHealthy;
  }

  /** Returns whether the endpoint is DOWN because it has no such model. */
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
   * Makes the next call the trial, because a health check has passed, unless the back-off must be
   * kept.
   */
  public void tryHalfOpen() {
    change(
        () -> {
          if (!stateTracker.isDown() || circuitBreaker.getState() != CircuitBreaker.State.OPEN) {
            return;
          }
          backoff.clearHold();
          if (canHalfOpen()) {
            // A path or model that is missing from now on, while the rest behind a gateway starts,
            // is an outage and no wrong setting.
            everHealthy = true;
            transition(circuitBreaker::transitionToHalfOpenState);
          }
        });
  }

  /** Ends the back-off if its only reason was a cold model that nobody loads. */
  public void endBackoffOfUnloadedModel() {
    AttemptException last = lastFailure;
    if (last != null && last.kind() == FailureKind.MODEL_COLD) {
      endBackoff();
    }
  }

  /** Makes the next call the trial, whatever the back-off, because an operator reports a repair. */
  public void endBackoff() {
    change(
        () -> {
          if (stateTracker.isDown() && circuitBreaker.getState() == CircuitBreaker.State.OPEN) {
            backoff.end();
            transition(circuitBreaker::transitionToHalfOpenState);
          }
        });
  }

  /** Returns whether a passing health check may make the next call the trial. */
  public boolean canHalfOpen() {
    return backoff.canEndEarly();
  }

  /**
   * Keeps the endpoint DOWN until {@code nanos}, beyond the end of its back-off, because a health
   * check has failed.
   */
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

  /**
   * Changes Resilience4j's state. {@link #onTransition} is called before Resilience4j writes its
   * log, so a log that throws loses no change.
   */
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
