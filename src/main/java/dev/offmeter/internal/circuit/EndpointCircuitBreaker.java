// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.circuit;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.time.MonotonicClock;
import dev.offmeter.internal.time.TimeSource;
import dev.offmeter.observe.EndpointChange;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.observe.Resilience4jRegistries;
import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import io.github.resilience4j.circuitbreaker.CircuitBreakerConfig;
import java.time.Duration;
import java.time.Instant;
import java.util.EnumSet;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * The circuit breaker of one endpoint: decides whether calls are admitted, and what their outcomes
 * say about the endpoint's health. Safe for use by many threads.
 *
 * <pre>
 * UP      to DOWN     two failures in a row, or one that is evidence enough
 * UP      to WARMING  its model is being loaded; from DOWN too, if the back-off may end early
 * WARMING to UP       loaded; to TRIAL if a trial had failed, to DOWN if that cured nothing
 * DOWN    to TRIAL    a health check has passed, or a call comes after the back-off
 * TRIAL   to UP       answered, or the first text has reached its reader
 * TRIAL   to DOWN     failed; the back-off is longer then
 * </pre>
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
   * A failure that took less than this costs a caller next to nothing, so its back-off may be
   * short.
   */
  private static final long FAST_FAILURE = Duration.ofSeconds(1).toNanos();

  private static final int NO_TRIAL = -1;

  private final LogSafeCircuitBreaker circuitBreaker;
  private final ReentrantLock lock = new ReentrantLock();
  private final FailureAssessor assessor;
  private final WarmingState warming = new WarmingState();
  private final BackoffState backoff;
  private final EndpointStateTracker stateTracker;
  private final MonotonicClock clock;

  // Written under the lock; read by any thread.
  private volatile @Nullable AttemptException lastFailure;

  /** The generation of the trial that has been admitted; {@link #NO_TRIAL} for none. */
  private volatile int trialGeneration = NO_TRIAL;

  /**
   * Failures that counted since the last answer. Incremented under the lock; reset without it by a
   * call that was served, because a lost increment of a race between the two does no harm.
   */
  private volatile int consecutiveFailures;

  /** Whether the server reported the failure that counts at once. Guarded by the lock. */
  private boolean failedFast;

  public EndpointCircuitBreaker(
      String name,
      String origin,
      TimeSource time,
      BackoffPolicy backoffPolicy,
      Function<FailureKind, HealthEffect> effects,
      Resilience4jRegistries registries,
      Consumer<EndpointChange> own,
      Consumer<EndpointChange> changes) {
    this.assessor = new FailureAssessor(effects);
    this.backoff = new BackoffState(time, backoffPolicy);
    this.clock = new MonotonicClock(time);
    this.stateTracker = new EndpointStateTracker(name, origin, clock, own, changes);
    this.circuitBreaker =
        new LogSafeCircuitBreaker(
            registries.circuitBreakers().circuitBreaker(name, config()), this::onEntered);
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
    return circuitBreaker.isOpen() && backoff.isActive();
  }

  /** Returns whether the endpoint's model is being loaded. */
  public boolean isWarming() {
    return warming.isActive();
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
    if (circuitBreaker.isClosed()) {
      // While the circuit is closed, permissions are unlimited, so callers need not queue for the
      // lock.
      return new Permit(this, now);
    }
    lock.lock();
    try {
      // The generation is read after the permission is taken, because taking it may begin the trial
      // and with it a new generation.
      if (isOpen() || !circuitBreaker.tryAcquirePermission()) {
        return null;
      }
      trialGeneration = stateTracker.generation();
      return new Permit(this, trialGeneration);
    } finally {
      lock.unlock();
    }
  }

  /**
   * Checks whether a call that came now would be admitted. Changes nothing.
   *
   * @throws AttemptException if it would not be
   */
  public void checkAdmission() throws AttemptException {
    boolean rejects =
        switch (circuitBreaker.state()) {
          case OPEN -> backoff.isActive();
          case HALF_OPEN -> trialGeneration == stateTracker.generation();
          case FORCED_OPEN -> true;
          default -> false;
        };
    if (rejects) {
      throw circuitOpenFailure(rejectionMessage());
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
    return switch (circuitBreaker.state()) {
      case OPEN -> warming.isActive() ? "its model is being loaded" : nextTryWhileDownMessage();
      case FORCED_OPEN -> "its circuit breaker is forced open";
      default -> "half-open: another trial is already running";
    };
  }

  private String nextTryWhileDownMessage() {
    return backoff.isHeld()
        ? "asked again when a health check finds it well"
        : "asked again in " + remainingBackoff().toMillis() + " ms";
  }

  // What follows, up to passTrial, are the outcomes of a call, told by its Permit. The order of an
  // outcome is: the permission goes back, or the call is counted, and then the state changes.

  /**
   * Counts an answer in the common case, which needs no lock: the state cannot have changed to the
   * worse by it. Returns whether this was that case.
   */
  boolean tryCountSuccessWhileClosed(long nanos) {
    onHealthy();
    boolean closed = circuitBreaker.isClosed();
    if (closed) {
      boolean unused = circuitBreaker.tryCountSuccess(nanos);
      backoff.reset();
    }
    return closed;
  }

  private void onHealthy() {
    assessor.onHealthy();
    // Read before it is written: an unconditional write by every call would make callers contend.
    if (consecutiveFailures > 0) {
      consecutiveFailures = 0;
    }
  }

  /** Counts an answer; the lock is held. */
  void countSuccess(boolean ofThisGeneration, long nanos) {
    onHealthy();
    if (!warming.isActive() && (ofThisGeneration || circuitBreaker.isClosed())) {
      if (!circuitBreaker.tryCountSuccess(nanos)) {
        // The permission would leak, and the trial never end.
        circuitBreaker.close();
      }
    } else if (DISPROVED_BY_SUCCESS.contains(backoff.effect())) {
      // An answer is the best evidence that the endpoint is UP.
      warming.end();
      circuitBreaker.close();
    }
    backoff.reset();
  }

  /** Counts the failure of a call of this generation; the lock is held. */
  void countFailure(AttemptException failure, long nanos) {
    failedFast = nanos < FAST_FAILURE && assessor.isLikelyBrief(failure);
    switch (assessor.effectOf(failure)) {
      case NONE, LOAD_MODEL -> giveBackPermission();
      case COUNT_FAILURE -> {
        lastFailure = failure;
        countError(failure, nanos);
      }
      case OPEN, COOL_DOWN, OPEN_UNTIL_REPAIRED -> {
        giveBackPermission();
        openFor(failure);
      }
    }
  }

  private void countError(AttemptException failure, long nanos) {
    boolean counted = circuitBreaker.tryCountError(nanos, failure);
    int failures = consecutiveFailures + 1;
    consecutiveFailures = failures;
    if (counted) {
      return;
    }
    if (circuitBreaker.isHalfOpen()) {
      // The permission would leak, and the trial never end.
      giveBackPermission();
      openFor(failure, HealthEffect.COUNT_FAILURE);
    } else if (circuitBreaker.isClosed() && failures >= FAILURES_IN_A_ROW) {
      // A log that throws has kept Resilience4j from counting the earlier failures too, so they
      // are counted here.
      openFor(failure, HealthEffect.COUNT_FAILURE);
    }
  }

  /** Opens the circuit for a call that was refused as others before it were; the lock is held. */
  void openForRefusals(AttemptException failure) {
    giveBackPermission();
    failedFast = false;
    openFor(failure, HealthEffect.COUNT_FAILURE);
  }

  /** Gives back the permission of a call without an outcome; the lock is held. */
  void giveBackPermission() {
    trialGeneration = NO_TRIAL;
    circuitBreaker.releasePermission();
  }

  /** Ends the trial, which has passed, and returns the new generation; the lock is held. */
  int passTrial() {
    circuitBreaker.close();
    return stateTracker.generation();
  }

  boolean isHalfOpen() {
    return circuitBreaker.isHalfOpen();
  }

  int generation() {
    return stateTracker.generation();
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
          } else if (backoff.effect() == assessor.effectOf(failure) && isOtherKind(failure)) {
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
          AttemptException before = warming.isActive() ? warming.failureBefore() : lastFailure;
          boolean other = before != null && before.kind() != failure.kind();
          if (circuitBreaker.state() == CircuitBreaker.State.FORCED_OPEN) {
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
    openFor(failure, assessor.effectOf(failure));
  }

  private void openFor(AttemptException failure, HealthEffect effect) {
    lastFailure = failure;
    startBackoff(effect, failure.retryAfter());
    open();
  }

  private void open() {
    if (circuitBreaker.isOpen()) {
      enterState(warming.isActive() ? EndpointState.WARMING : EndpointState.DOWN);
    } else {
      circuitBreaker.open();
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
          if (!warming.isActive()
              && (stateTracker.current() == EndpointState.UP || canHalfOpen())) {
            enterWarming(why, again);
          }
        },
        () -> {
          if (warming.isActive()) {
            first.run();
          }
        });
    return warming.isActive();
  }

  private void enterWarming(AttemptException why, boolean again) {
    AttemptException before = stateTracker.isDown() ? lastFailure : null;
    if (again) {
      failedFast = false;
      startBackoff(HealthEffect.COUNT_FAILURE, Optional.empty());
    }
    lastFailure = why;
    warming.begin(before);
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
          if (!warming.isActive()) {
            return;
          }
          warming.end();
          if (warming.wasOpenUntilRepaired(assessor) || !canHalfOpen()) {
            reopenAsBefore();
          } else if (backoff.isFirstOutage()) {
            circuitBreaker.close();
          } else {
            circuitBreaker.halfOpen();
          }
        });
  }

  /**
   * Returns whether the endpoint is DOWN because it has no such model, and never had one as far as
   * this client knows.
   */
  public boolean isOpenUntilModelExists() {
    return isModelNotFound() && !assessor.hasBeenHealthy();
  }

  /** Returns whether the endpoint is DOWN because it has no such model. */
  public boolean isModelNotFound() {
    AttemptException last = lastFailure;
    return stateTracker.isDown() && last != null && last.kind() == FailureKind.MODEL_NOT_FOUND;
  }

  private void reopenAsBefore() {
    AttemptException before = warming.failureBefore();
    if (before != null) {
      lastFailure = before;
      backoff.restore(assessor.effectOf(before));
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
          if (!stateTracker.isDown() || !circuitBreaker.isOpen()) {
            return;
          }
          backoff.clearHold();
          if (canHalfOpen()) {
            // A path or model that is missing from now on, while the rest behind a gateway starts,
            // is an outage and no wrong setting.
            assessor.onHealthy();
            circuitBreaker.halfOpen();
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
          if (stateTracker.isDown() && circuitBreaker.isOpen()) {
            backoff.end();
            circuitBreaker.halfOpen();
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

  /**
   * Applies the outcome of a call. Listeners are notified after the lock is released: they may
   * block, or call back into the client.
   */
  void conclude(Runnable outcome) {
    lock.lock();
    try {
      outcome.run();
    } finally {
      lock.unlock();
    }
    stateTracker.deliver();
  }

  void change(Runnable change) {
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
    return LogSafeCircuitBreaker.MINIMAL_WAIT.toMillis();
  }

  private void startBackoff(HealthEffect effect, Optional<Duration> asked) {
    if (failedFast && asked.isEmpty()) {
      backoff.startShort(effect);
    } else {
      backoff.start(effect, asked);
    }
    warming.end();
  }

  private void onEntered(CircuitBreaker.State state) {
    enterState(
        switch (state) {
          case OPEN, FORCED_OPEN -> warming.isActive() ? EndpointState.WARMING : EndpointState.DOWN;
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
