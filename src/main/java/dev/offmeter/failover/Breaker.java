// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.FailureKind;
import dev.offmeter.endpoint.EndpointSpec;
import dev.offmeter.observe.EndpointChange;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.observe.Resilience4jRegistries;
import dev.offmeter.wire.Failure;
import dev.offmeter.wire.ForeignCode;
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

  /** After these, a call that was let in before and is served all the same brings it back. */
  private static final Set<Judgement.Health> SERVED_ALL_THE_SAME =
      EnumSet.of(Judgement.Health.COUNTS, Judgement.Health.TRIPS, Judgement.Health.WARMS);

  /**
   * An endpoint that has answered, or was seen to come back, has the right path and model: these
   * are an outage of it.
   */
  private static final Set<FailureKind> SEEN_TO_BE_RIGHT =
      EnumSet.of(FailureKind.PATH_NOT_FOUND, FailureKind.MODEL_NOT_FOUND);

  /** A failure that took no longer costs a caller next to nothing. */
  private static final long CHEAP = Duration.ofSeconds(1).toNanos();

  private static final Duration AT_ONCE = Duration.ofMillis(1);

  private final CircuitBreaker breaker;
  private final ReentrantLock lock = new ReentrantLock();
  private final Pause pause;
  private final States states;
  private final SteadyClock clock;
  private volatile @Nullable Failure lastFailure;
  private volatile boolean warming;
  private volatile boolean proven;

  /** Failures that counted since the last answer. Counted under the lock. */
  private volatile int inARow;

  /** Whether the failure that counts is told at once. Changed under the lock. */
  private boolean cheap;

  /** What it was down for when its model began to be loaded; null if it was not down. */
  private @Nullable Failure wasDownFor;

  Breaker(
      EndpointSpec spec,
      Time time,
      WayBack wayBack,
      Resilience4jRegistries registries,
      Consumer<EndpointChange> own,
      Consumer<EndpointChange> changes) {
    this.pause = new Pause(time, wayBack);
    this.clock = new SteadyClock(time);
    this.states = new States(spec, clock, own, changes);
    this.breaker = registries.circuitBreakers().circuitBreaker(spec.name(), config());
    // First of all consumers: an application's that throws keeps those behind it from hearing.
    breaker
        .getEventPublisher()
        .onEvent(
            event -> {
              if (event instanceof CircuitBreakerOnStateTransitionEvent transition) {
                changed(transition);
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
        .waitIntervalFunctionInOpenState(downs -> afterCounted())
        // Slow is normal for a model on small hardware, and no fault.
        .slowCallDurationThreshold(Duration.ofDays(1))
        .writableStackTraceEnabled(false)
        .clock(clock)
        .build();
  }

  /** Whether a call that came now would be turned away. */
  boolean isShut() {
    return breaker.getState() == CircuitBreaker.State.OPEN && pause.isOn();
  }

  /** Whether its model is being loaded. */
  boolean isWarming() {
    return warming;
  }

  /** Whether a call goes there, if only for a trial. */
  boolean isOpenToCalls() {
    EndpointState now = states.now();
    return now == EndpointState.UP || now == EndpointState.TRIAL;
  }

  /**
   * How it stands at one moment.
   *
   * @param why what went wrong last; null while it is up
   */
  record Standing(EndpointState state, Instant since, Duration lasting, @Nullable Failure why) {}

  Standing standing() {
    lock.lock();
    try {
      Failure why = states.now() == EndpointState.UP ? null : lastFailure;
      return new Standing(states.now(), states.since(), states.lasting(), why);
    } finally {
      lock.unlock();
    }
  }

  /** How long it will still be left alone. */
  Duration leftAlone() {
    return pause.left();
  }

  /** Whether the server has named the pause itself. */
  boolean obeysServer() {
    return pause.isNamedByServer();
  }

  /** How many trials have failed since it was up last. */
  int trialsFailed() {
    return pause.trialsFailed();
  }

  /** Whether a call found nobody there, which is evidence enough that it was down. */
  boolean isAbsent() {
    return pause.why() == Judgement.Health.TRIPS;
  }

  /**
   * Lets a call in.
   *
   * @throws Failure if the endpoint is down, or another call is its trial
   */
  Permit admit() throws Failure {
    Permit permit = permitIfAny();
    try {
      states.tell();
    } catch (Throwable e) {
      if (permit != null) {
        permit.release();
      }
      throw e;
    }
    if (permit == null) {
      throw shut(whyShut());
    }
    return permit;
  }

  private @Nullable Permit permitIfAny() {
    int now = states.era();
    if (breaker.getState() == CircuitBreaker.State.CLOSED) {
      // Nothing is counted out while it is closed, so that the many need not queue for the lock.
      return new Permit(now);
    }
    lock.lock();
    try {
      // The era is read second: to be let in may be what begins the trial.
      return !isShut() && isLetIn() ? new Permit(states.era()) : null;
    } finally {
      lock.unlock();
    }
  }

  /**
   * Whether a permission was had. Resilience4j writes a log in the midst of it, which may throw.
   */
  private boolean isLetIn() {
    try {
      return ForeignCode.call(breaker::tryAcquirePermission);
    } catch (ForeignCode.Broken e) {
      // If that was to tell that the trial begins, it has begun, and nothing is told any more.
      return breaker.getState() == CircuitBreaker.State.HALF_OPEN
          && ForeignCode.run(this::acquire) == null;
    }
  }

  private void acquire() {
    if (!breaker.tryAcquirePermission()) {
      throw new IllegalStateException("another call is the trial");
    }
  }

  /** What a call is told that is not let in. */
  Failure shut(String why) {
    Failure last = lastFailure;
    return Failure.of(FailureKind.CIRCUIT_OPEN, why)
        .withOpenedBy(last == null ? null : last.kind());
  }

  private String whyShut() {
    Failure last = lastFailure;
    String since = last == null ? "" : " since " + last.kind() + " (" + last.message() + ")";
    return "not asked" + since + ", " + untilWhen();
  }

  private String untilWhen() {
    return switch (breaker.getState()) {
      case OPEN -> warming ? "its model is being loaded" : untilWhenDown();
      case FORCED_OPEN -> "its circuit breaker is forced open";
      default -> "another call is the trial";
    };
  }

  private String untilWhenDown() {
    return pause.isHeld()
        ? "asked again when a health check finds it well"
        : "asked again in " + leftAlone().toMillis() + " ms";
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
      if (!proven) {
        proven = true;
      }
      if (inARow > 0) {
        inARow = 0;
      }
      if (isCurrent() && breaker.getState() == CircuitBreaker.State.CLOSED) {
        spent = true;
        ForeignCode.ignore(() -> breaker.onSuccess(nanos, TimeUnit.NANOSECONDS));
        pause.forget();
      } else {
        conclude(() -> count(nanos));
      }
    }

    private void count(long nanos) {
      if (!warming && (isOfThisEra() || breaker.getState() == CircuitBreaker.State.CLOSED)) {
        Throwable untold = ForeignCode.run(() -> breaker.onSuccess(nanos, TimeUnit.NANOSECONDS));
        if (untold != null) {
          // Its log threw before it had counted; a permission would be lost.
          transit(breaker::transitionToClosedState);
        }
      } else if (SERVED_ALL_THE_SAME.contains(pause.why())) {
        // No better evidence that it is up.
        warming = false;
        transit(breaker::transitionToClosedState);
      }
      pause.forget();
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

    /** The call was refused, as were others before it, and the endpoint is to be left alone. */
    void refused(Failure failure) {
      conclude(
          () -> {
            if (isOfThisEra()) {
              giveBack();
              cheap = false;
              down(failure, Judgement.Health.COUNTS);
            }
          });
    }

    private void judge(Failure failure, long nanos) {
      cheap = nanos < CHEAP && mayPassSoon(failure);
      switch (health(failure)) {
        case UNTOUCHED, WARMS -> giveBack();
        case COUNTS -> {
          lastFailure = failure;
          count(failure, nanos);
        }
        case TRIPS, COOLS_DOWN, SET_ASIDE -> {
          giveBack();
          down(failure);
        }
      }
    }

    private void count(Failure failure, long nanos) {
      Throwable untold =
          ForeignCode.run(() -> breaker.onError(nanos, TimeUnit.NANOSECONDS, failure));
      int failures = inARow + 1;
      inARow = failures;
      CircuitBreaker.State now = breaker.getState();
      if (untold != null && now == CircuitBreaker.State.HALF_OPEN) {
        // Its log threw before it had counted; a permission would be lost.
        giveBack();
        down(failure, Judgement.Health.COUNTS);
      } else if (untold != null
          && now == CircuitBreaker.State.CLOSED
          && failures >= FAILURES_IN_A_ROW) {
        // Nor has it counted those before.
        down(failure, Judgement.Health.COUNTS);
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
      states.tell();
    }

    /** Whether its outcome decides if the endpoint is back. */
    boolean isTrial() {
      return isCurrent() && breaker.getState() == CircuitBreaker.State.HALF_OPEN;
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
      return let == states.era();
    }
  }

  /**
   * It is down, whatever it was.
   *
   * @param first what is done before listeners are told
   */
  void takeDown(Failure failure, Runnable first) {
    change(
        () -> {
          if (!states.isDown()) {
            cheap = false;
            down(failure);
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
  void takeDownFor(Failure failure, Runnable first) {
    change(
        () -> {
          if (!states.isDown()) {
            cheap = false;
            down(failure);
          } else if (pause.why() == health(failure) && isNews(failure)) {
            lastFailure = failure;
            states.tellOf(failure, leftAlone());
          }
        },
        first);
  }

  private boolean isNews(Failure failure) {
    Failure last = lastFailure;
    return last == null || last.kind() != failure.kind();
  }

  /**
   * Its settings are wrong, which from now on is what it is down for: an outage before that is
   * over.
   *
   * @param first what is done before listeners are told
   */
  void setAside(Failure failure, Runnable first) {
    change(
        () -> {
          Failure before = warming ? wasDownFor : lastFailure;
          boolean other = before != null && before.kind() != failure.kind();
          if (breaker.getState() == CircuitBreaker.State.FORCED_OPEN) {
            return;
          }
          if (other) {
            pause.forget();
          }
          if (other || !states.isDown()) {
            cheap = false;
            down(failure);
          }
        },
        first);
  }

  private void down(Failure failure) {
    down(failure, health(failure));
  }

  private void down(Failure failure, Judgement.Health why) {
    lastFailure = failure;
    pause(why, failure.retryAfter());
    open();
  }

  private Judgement.Health health(Failure failure) {
    if (failure.isBlameless()) {
      return Judgement.Health.UNTOUCHED;
    }
    return proven && SEEN_TO_BE_RIGHT.contains(failure.kind())
        ? Judgement.Health.TRIPS
        : Judgement.of(failure.kind()).health();
  }

  /** A router says so while a model is being loaded, and its own health check is well meanwhile. */
  private boolean mayPassSoon(Failure failure) {
    Judgement.Health judged = health(failure);
    boolean ofServer = judged == Judgement.Health.COUNTS || judged == Judgement.Health.COOLS_DOWN;
    return (ofServer && failure.status() >= 500)
        || (judged == Judgement.Health.TRIPS && SEEN_TO_BE_RIGHT.contains(failure.kind()));
  }

  /** How long it stays shut is decided here; the breaker's own wait is over at once. */
  private void open() {
    if (breaker.getState() == CircuitBreaker.State.OPEN) {
      enter(warming ? EndpointState.WARMING : EndpointState.DOWN);
    } else {
      transit(() -> breaker.transitionToOpenStateFor(AT_ONCE));
    }
  }

  /**
   * Its model is being loaded: no call goes there, until {@link #warmed} or {@link #takeDown}.
   *
   * @param again whether it was loaded a short while ago, and yet is cold: then a pause has to be
   *     kept that grows
   * @param first what is done before listeners are told, if that is so
   * @return whether that is so; not while a pause has to be kept
   */
  boolean warms(Failure why, boolean again, Runnable first) {
    change(
        () -> {
          if (!warming && (states.now() == EndpointState.UP || mayComeBack())) {
            beginWarming(why, again);
          }
        },
        () -> {
          if (warming) {
            first.run();
          }
        });
    return warming;
  }

  private void beginWarming(Failure why, boolean again) {
    wasDownFor = states.isDown() ? lastFailure : null;
    if (again) {
      cheap = false;
      pause(Judgement.Health.COUNTS, Optional.empty());
    }
    lastFailure = why;
    warming = true;
    pause.beginLoad();
    open();
  }

  /** Its model is loaded: a long piece of work, done well. */
  void warmed() {
    change(
        () -> {
          if (!warming) {
            return;
          }
          warming = false;
          if (wasSetAside() || !mayComeBack()) {
            downAsBefore();
          } else if (pause.isFirst()) {
            transit(breaker::transitionToClosedState);
          } else {
            transit(breaker::transitionToHalfOpenState);
          }
        });
  }

  /** A loaded model mends nothing that a person must, unless it is that it was missing. */
  private boolean wasSetAside() {
    Failure before = wasDownFor;
    return before != null
        && before.kind() != FailureKind.MODEL_NOT_FOUND
        && health(before) == Judgement.Health.SET_ASIDE;
  }

  /** Whether it has no such model, as far as is known since it was made. */
  boolean isSetAsideForModel() {
    return missesModel() && !proven;
  }

  /** Whether it was set aside because it has no such model. */
  boolean missesModel() {
    Failure last = lastFailure;
    return states.isDown() && last != null && last.kind() == FailureKind.MODEL_NOT_FOUND;
  }

  private void downAsBefore() {
    Failure before = wasDownFor;
    if (before != null) {
      lastFailure = before;
      pause.goOnFor(health(before));
    }
    pause.letGo();
    enter(EndpointState.DOWN);
  }

  /**
   * There is evidence that it is back: the next call is the trial, unless a pause is to be kept.
   */
  void back() {
    change(
        () -> {
          if (!states.isDown() || breaker.getState() != CircuitBreaker.State.OPEN) {
            return;
          }
          pause.letGo();
          if (mayComeBack()) {
            // What a gateway says from now on while the rest starts is no wrong setting either.
            proven = true;
            transit(breaker::transitionToHalfOpenState);
          }
        });
  }

  /** A cold model is no reason any more to keep calls away. */
  void endBackoffOfColdModel() {
    Failure last = lastFailure;
    if (last != null && last.kind() == FailureKind.MODEL_COLD) {
      endBackoff();
    }
  }

  /** A person says that it is repaired, whatever the pause: the next call is the trial. */
  void endBackoff() {
    change(
        () -> {
          if (states.isDown() && breaker.getState() == CircuitBreaker.State.OPEN) {
            pause.end();
            transit(breaker::transitionToHalfOpenState);
          }
        });
  }

  /** Whether evidence that it is back is believed now. */
  boolean mayComeBack() {
    return pause.mayEnd();
  }

  /** There is evidence that it is not back: it stays shut, pause or no pause. */
  void holdUntil(long nanos) {
    lock.lock();
    try {
      if (states.isDown()) {
        pause.holdUntil(nanos);
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
    states.tellAfter(first);
  }

  private long afterCounted() {
    Failure last = lastFailure;
    pause(Judgement.Health.COUNTS, last == null ? Optional.empty() : last.retryAfter());
    return AT_ONCE.toMillis();
  }

  private void pause(Judgement.Health why, Optional<Duration> asked) {
    if (cheap && asked.isEmpty()) {
      pause.beginShort(why);
    } else {
      pause.begin(why, asked);
    }
    warming = false;
  }

  /** Changes the state, of which {@link #changed} hears before Resilience4j writes its log. */
  private static void transit(ForeignCode.Action transition) {
    ForeignCode.ignore(transition);
  }

  private void changed(CircuitBreakerOnStateTransitionEvent event) {
    enter(
        switch (event.getStateTransition().getToState()) {
          case OPEN, FORCED_OPEN -> warming ? EndpointState.WARMING : EndpointState.DOWN;
          case HALF_OPEN -> EndpointState.TRIAL;
          default -> EndpointState.UP;
        });
  }

  private void enter(EndpointState to) {
    states.enter(
        to,
        to == EndpointState.UP ? null : lastFailure,
        to == EndpointState.DOWN ? leftAlone() : Duration.ZERO);
  }
}
