// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.health;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.circuit.EndpointCircuitBreaker;
import dev.offmeter.internal.time.ScheduledTask;
import dev.offmeter.internal.time.TimeSource;
import dev.offmeter.internal.time.WeakTask;
import dev.offmeter.internal.wire.ProbeResult;
import dev.offmeter.observe.EndpointChange;
import dev.offmeter.observe.EndpointState;
import java.time.Duration;
import java.util.EnumSet;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * Watches one endpoint while it is DOWN or WARMING, in the background, one health check at a time.
 * An endpoint counts as recovered only when a passing health check follows a failing one or a
 * refused connection. A server that passes every check although calls fail proves nothing, and
 * comes back only when its back-off ends. Safe for use by many threads.
 */
public final class RecoveryMonitor {
  /**
   * The time for which failing health checks are trusted to keep an endpoint DOWN beyond its
   * back-off: a server may fail health checks only. A refused connection is always trusted. Doubled
   * for each failed trial: without that, callers lose a quarter more time in the simulated year,
   * all of it on trials of a machine that is frozen.
   */
  private static final long TRUSTED_FOR = Duration.ofMinutes(10).toNanos();

  private static final long TRUSTED_FOR_MAX = Duration.ofHours(1).toNanos();

  /** Failures that say that the server, or a proxy before it, has no such path, at least now. */
  private static final Set<FailureKind> UNSUPPORTED_CHECK =
      EnumSet.of(FailureKind.PATH_NOT_FOUND, FailureKind.MODEL_NOT_FOUND, FailureKind.BAD_REQUEST);

  /** Results that never keep an endpoint DOWN: a server may know more models than it lists. */
  private static final Set<ProbeResult.Status> INCONCLUSIVE =
      EnumSet.of(ProbeResult.Status.UNAUTHORIZED, ProbeResult.Status.READY);

  private static final Set<ProbeResult.Status> RECOGNIZED =
      EnumSet.of(
          ProbeResult.Status.READY,
          ProbeResult.Status.MODEL_NOT_LOADED,
          ProbeResult.Status.NOT_READY);

  /**
   * The most silent health checks in a row while a model is being loaded, about half a minute: the
   * server may be too busy to answer, and aborting a load is costly, while calls use other
   * endpoints meanwhile.
   */
  private static final int MAX_SILENCES_WHILE_LOADING = 12;

  /** The time that the next health check may take: a hold lasts until its result is known. */
  private static final long CHECK_DURATION =
      HealthChecker.TIMEOUT.multipliedBy(2).toNanos() + 1_000_000_000;

  private final HealthMonitor health;
  private final EndpointCircuitBreaker breaker;
  private final TimeSource time;
  private final HealthCheckInterval checkInterval;

  // Guarded by the lock.
  private final ReentrantLock lock = new ReentrantLock();

  /** The number of state changes; the result of a check from before the last one is dropped. */
  private int episode;

  private long downSince;
  private boolean seenUnhealthy;
  private int consecutiveSilences;
  private boolean closed;

  /** True if the server has ever answered as only one with this health check does. */
  private boolean checkSupported;

  /** True while health checks can learn nothing. */
  private boolean uninformative;

  private long checkedAt;
  private @Nullable ScheduledFuture<?> nextCheck;

  RecoveryMonitor(
      HealthMonitor health,
      EndpointCircuitBreaker breaker,
      TimeSource time,
      HealthCheckInterval checkInterval) {
    this.health = health;
    this.breaker = breaker;
    this.time = time;
    this.checkInterval = checkInterval;
  }

  /** Called when the endpoint's state has changed. */
  void onStateChanged(EndpointChange change) {
    lock.lock();
    try {
      cancelNext();
      uninformative = false;
      boolean loading = change.to() == EndpointState.WARMING;
      if (loading) {
        downSince = time.nanos();
        consecutiveSilences = 0;
        schedule(checkInterval.next(0));
      } else if (change.to() == EndpointState.DOWN && !breaker.isBackoffSetByServer()) {
        // A server that names its own back-off is alive, and has said when it can be asked.
        downSince = time.nanos();
        // A failure that opens at once, such as a refused connection, counts as a failing check.
        seenUnhealthy = breaker.isTrippedAtOnce();
        // Calls that wait there need to know at once, unless a health check has just found out.
        boolean known = change.cause() == FailureKind.UNRESPONSIVE;
        schedule(!known && health.hasAttempts() ? 0 : checkInterval.next(0));
      }
    } finally {
      lock.unlock();
    }
  }

  private void cancelNext() {
    episode++;
    TimeSource.cancel(nextCheck);
    nextCheck = null;
  }

  private void schedule(long delay) {
    if (closed) {
      return;
    }
    nextCheck =
        time.schedule(
            delay, WeakTask.of(this, ScheduledTask.Purpose.HEALTH_CHECK, RecoveryMonitor::check));
  }

  private void check() {
    int now;
    lock.lock();
    try {
      now = episode;
      checkedAt = time.nanos();
    } finally {
      lock.unlock();
    }
    health.check(check -> onResult(now, check));
  }

  private void onResult(int then, HealthChecker.HealthCheckResult result) {
    boolean back;
    boolean tooSilent;
    lock.lock();
    try {
      if (then != episode) {
        return;
      }
      back = evaluate(result);
      countSilence(result);
      tooSilent = consecutiveSilences >= MAX_SILENCES_WHILE_LOADING;
    } finally {
      lock.unlock();
    }
    // Without the lock: this calls the breaker and, through it, the client's listeners.
    act(result, back, tooSilent);
  }

  /**
   * Records a health check and schedules the next; returns whether the endpoint counts as
   * recovered.
   */
  private boolean evaluate(HealthChecker.HealthCheckResult result) {
    long delay = delayUntilNext();
    schedule(delay);
    boolean noSuchCheck = isCheckUnsupported(result);
    uninformative = noSuchCheck && !checkSupported;
    if (result.status() == ProbeResult.Status.UNKNOWN && !noSuchCheck) {
      return false;
    }
    boolean well = isHealthy(result);
    checkSupported |= RECOGNIZED.contains(result.status());
    seenUnhealthy |=
        !well
            && (result.status() != ProbeResult.Status.MODEL_NOT_LOADED
                || breaker.isModelNotFound());
    boolean conclusive = noSuchCheck ? checkSupported : !INCONCLUSIVE.contains(result.status());
    if (!well && conclusive && isTrusted(result.failure())) {
      // Until the next result: no caller is to pay for a trial that is likely to fail.
      breaker.extendOpenUntil(time.nanos() + delay + CHECK_DURATION);
    }
    return seenUnhealthy && well && !result.isStartedBefore(downSince);
  }

  /**
   * Returns whether the server lacks this health check. A gateway answers so for a server that has
   * not started yet.
   */
  private static boolean isCheckUnsupported(HealthChecker.HealthCheckResult result) {
    AttemptException failure = result.failure();
    return result.status() == ProbeResult.Status.UNKNOWN
        && failure != null
        && UNSUPPORTED_CHECK.contains(failure.kind());
  }

  /**
   * Returns whether a call can be served, as far as a health check shows: a server of another make
   * answers in another form.
   */
  private boolean isHealthy(HealthChecker.HealthCheckResult result) {
    if (result.isModelUnlisted() && breaker.isOpenUntilModelExists()) {
      return false;
    }
    return result.status() == ProbeResult.Status.READY
        || result.status() == ProbeResult.Status.UNRECOGNIZED
        || isUsableUnloaded(result);
  }

  private void countSilence(HealthChecker.HealthCheckResult result) {
    AttemptException unreachable = result.unreachableFailure();
    boolean silent =
        unreachable != null && UnhealthyThreshold.isSilent(unreachable) && !result.isContradicted();
    consecutiveSilences = silent ? consecutiveSilences + 1 : 0;
  }

  /** Returns whether the model is not loaded, and only a call can load it. */
  private boolean isUsableUnloaded(HealthChecker.HealthCheckResult result) {
    return result.status() == ProbeResult.Status.MODEL_NOT_LOADED
        && !health.modelLoader().canLoad();
  }

  /**
   * Returns the delay before the next check. The interval is from start to start, so the 2 s of a
   * check that times out are part of it.
   */
  private long delayUntilNext() {
    long interval = checkInterval.next(time.nanos() - downSince);
    // A quarter at least, so that checks that all time out do not follow each other at once.
    return Math.max(interval / 4, interval - (time.nanos() - checkedAt));
  }

  private boolean isTrusted(@Nullable AttemptException failure) {
    long believed = Math.min(TRUSTED_FOR_MAX, TRUSTED_FOR << Math.min(3, breaker.failedTrials()));
    return (failure != null && HealthChecker.isCertain(failure))
        || time.nanos() - downSince < believed;
  }

  private void act(HealthChecker.HealthCheckResult result, boolean back, boolean tooSilent) {
    AttemptException failure = result.failure();
    AttemptException unreachable = result.unreachableFailure();
    health.modelLoader().onHealthCheck(result);
    if (back) {
      onRecovered();
    } else if (unreachable != null) {
      onUnreachable(unreachable, result, tooSilent);
    } else if (result.status() == ProbeResult.Status.MODEL_NOT_LOADED && failure != null) {
      onModelNotLoaded(failure);
    }
  }

  private void onRecovered() {
    if (breaker.isWarming()) {
      // The end of the load tells when: a list may have a model that is still being loaded.
      return;
    }
    if (isLoadNeededToConfirm()) {
      CompletableFuture<Void> unused =
          health.modelLoader().verifyLoaded(false, breaker::tryHalfOpen);
    } else {
      breaker.tryHalfOpen();
    }
  }

  private boolean isLoadNeededToConfirm() {
    return health.modelLoader().canConfirm() && breaker.canHalfOpen();
  }

  /**
   * Called when the model is not loaded. Whether a missing model has been downloaded since shows
   * only when it is to be loaded.
   */
  private void onModelNotLoaded(AttemptException failure) {
    if (!breaker.isModelNotFound()) {
      health.modelLoader().loadWhileWarming(failure, false);
    } else if (isLoadNeededToConfirm()) {
      CompletableFuture<Void> unused =
          health.modelLoader().verifyLoaded(true, breaker::tryHalfOpen);
    }
  }

  private void onUnreachable(
      AttemptException failure, HealthChecker.HealthCheckResult result, boolean tooSilent) {
    if (breaker.isUpOrTrial() || result.isContradicted()) {
      return;
    }
    if (!breaker.isWarming()) {
      // Another path took the endpoint DOWN, so attempts are still waiting there.
      health.endAttempts(failure, failure);
    } else if (tooSilent) {
      health.modelLoader().abandonLoad(failure);
    } else if (!UnhealthyThreshold.isSilent(failure)) {
      CompletableFuture<HealthChecker.HealthCheckResult> unused =
          health.confirmUnreachable(result, this::abandonLoad);
    }
  }

  private void abandonLoad(AttemptException unreachable) {
    if (breaker.isWarming()) {
      health.modelLoader().abandonLoad(unreachable);
    }
  }

  /**
   * Returns the time until the next health check; empty if none is scheduled, or only a call can
   * tell.
   */
  public Optional<Duration> nextHealthCheck() {
    lock.lock();
    try {
      return nextCheck == null || nextCheck.isCancelled() || uninformative || breaker.isUpOrTrial()
          ? Optional.empty()
          : Optional.of(Duration.ofNanos(Math.max(0, nextCheck.getDelay(TimeUnit.NANOSECONDS))));
    } finally {
      lock.unlock();
    }
  }

  void close() {
    lock.lock();
    try {
      closed = true;
      cancelNext();
    } finally {
      lock.unlock();
    }
  }
}
