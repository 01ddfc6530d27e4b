// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.health;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.circuit.EndpointCircuitBreaker;
import dev.offmeter.internal.circuit.RequestRateLimiter;
import dev.offmeter.internal.http.EndpointConfig;
import dev.offmeter.internal.http.Probe;
import dev.offmeter.internal.time.TimeSource;
import dev.offmeter.internal.wire.ProbeResult;
import dev.offmeter.observe.EndpointChange;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * What is found out of one endpoint on the side: whether a silent one lives, whether one that was
 * down is back, whether its model is loaded. Safe for use by many threads; nothing here waits.
 *
 * <p>What is done about an endpoint that is down is in {@link RecoveryMonitor}; about a cold model,
 * in {@link ModelLoader}.
 */
public final class HealthMonitor {
  /** Silence that gives no cause for doubt, however short the limits are. */
  private static final Duration MAX_SILENCE_THRESHOLD = Duration.ofSeconds(5);

  private final ProbeRunner probes;
  private final EndpointCircuitBreaker breaker;
  private final EndpointActivity activity;
  private final TimeSource time;
  private final RecoveryMonitor recovery;
  private final ModelLoader modelLoader;
  private final HealthChecker checker;
  private final WedgedModelDetector wedgeDetector;
  private final ConfirmingCheck confirmation;
  private final ResendPolicy resendPolicy;
  private final ModelLoadProgress loadProgress;
  private final OllamaAdvice advice;
  private final StallCorrelator stallCorrelator = new StallCorrelator();
  private final Set<RunningAttempt> attempts = ConcurrentHashMap.newKeySet();

  public HealthMonitor(
      EndpointConfig config,
      ProbeRunner probes,
      EndpointCircuitBreaker breaker,
      EndpointActivity activity,
      LatencyWindow latencies,
      RequestRateLimiter rateLimiter,
      TimeSource time,
      HealthCheckInterval checkInterval) {
    this.probes = probes;
    this.breaker = breaker;
    this.activity = activity;
    this.checker = new HealthChecker(probes, activity, time);
    this.confirmation = new ConfirmingCheck(checker, time);
    this.resendPolicy = new ResendPolicy(activity, time);
    this.loadProgress = new ModelLoadProgress(time.nanos());
    this.time = time;
    this.advice = new OllamaAdvice(config.name(), probes);
    this.modelLoader =
        new ModelLoader(config, probes, this, latencies, activity, rateLimiter, time);
    this.wedgeDetector = new WedgedModelDetector(config, probes, this, activity, time);
    this.recovery = new RecoveryMonitor(this, breaker, time, checkInterval);
  }

  /** Returns whether the endpoint can be asked how it is. */
  public boolean isProbed() {
    return probes.isSupported(Probe.Kind.LIVENESS);
  }

  /**
   * Returns how long an attempt is silent before it is doubted: a third of its limit, at most 5 s.
   */
  public static long silenceThreshold(Duration firstToken) {
    return Math.min(firstToken.toNanos() / 3, MAX_SILENCE_THRESHOLD.toNanos());
  }

  /** An attempt is made. */
  public void addWaiter(RunningAttempt attempt) {
    attempts.add(attempt);
  }

  /** An attempt has ended. */
  public void removeWaiter(RunningAttempt attempt) {
    attempts.remove(attempt);
  }

  /** Returns whether any attempt is under way there. */
  boolean hasWaiters() {
    return !attempts.isEmpty();
  }

  /**
   * An attempt has been silent for so long that the endpoint may be dead.
   *
   * @param ofKept whether its kept connection may be to blame, though others are being served
   */
  public void onSilence(boolean ofKept) {
    long now = time.nanos();
    if (isProbed() && !checker.isRecent(now) && (ofKept || !activity.isRecentlyActive(now))) {
      check(this::onSilenceChecked);
    }
  }

  private void onSilenceChecked(HealthChecker.HealthCheckResult result) {
    modelLoader.onHealthCheck(result);
    if (result.status() == ProbeResult.Status.MODEL_NOT_LOADED && !result.isContradicted()) {
      modelLoader.recordEviction();
    }
    if (result.unreachableFailure() != null) {
      CompletableFuture<HealthChecker.HealthCheckResult> unused =
          confirmUnreachable(result, this::onUnreachable);
    } else if (isLoadNeeded(result)) {
      onModelUnloaded(
          AttemptException.of(FailureKind.MODEL_COLD, describeUnloaded(result.failure())));
    } else if (result.isServerReply()
        && attempts.stream().noneMatch(RunningAttempt::isSilentOnNewConnection)) {
      // Where a new connection is silent too, the server is slow.
      attempts.forEach(RunningAttempt::onServerHealthy);
    }
  }

  /** Returns whether a health check has found the server well since. */
  public boolean isFoundHealthySince(long then) {
    return checker.hasFoundHealthySince(then);
  }

  /**
   * Takes note of an attempt that has stalled.
   *
   * @param begun when it was made
   * @param since when its last piece came
   * @return whether it tells nothing new: all was well, and another has told the same
   */
  public boolean recordStall(long begun, long since) {
    return checker.hasFoundReadySince(since) && stallCorrelator.recordStall(begun, time.nanos());
  }

  /** Why a load of a model that is listed takes long; null if it is only being loaded. */
  @Nullable AttemptException loadedDifferently() {
    return checker.loadedDifferently();
  }

  public OllamaAdvice advice() {
    return advice;
  }

  public ResendPolicy resendPolicy() {
    return resendPolicy;
  }

  /** Whether it can be loaded now or not: nobody is to wait for what comes too late. */
  private void onModelUnloaded(AttemptException failure) {
    modelLoader.loadInBackground(failure);
    if (!modelLoader.isLeftToCalls()) {
      failOverHopelessWaiters(failure);
    }
  }

  /**
   * The attempts that wait for a load are what the server loads its model for, and would abort it
   * by moving on: so only those do for whom it would come too late, as far as is known.
   */
  private void failOverHopelessWaiters(AttemptException failure) {
    long now = time.nanos();
    for (RunningAttempt attempt : attempts) {
      long left = loadProgress.remaining(attempt.startedAt(), now, modelLoader.lastLoadNanos());
      if (!attempt.canOutlast(left, modelLoader.usualAnswerNanos())) {
        attempt.failOver(failure);
      }
    }
  }

  /** An attempt has ended without a byte. */
  public void onAttemptAbandoned(RunningAttempt attempt) {
    long begun = attempt.startedAt();
    boolean first = attempts.stream().noneMatch(other -> other.isWaitingLongerThan(begun));
    loadProgress.onAbandoned(begun, time.nanos(), first);
  }

  /** The model is in memory. */
  void onModelLoaded() {
    loadProgress.onLoaded();
  }

  /** An attempt has its first piece: there is no better proof that the model is in memory. */
  public void onFirstPiece() {
    loadProgress.onLoaded();
    modelLoader.onServed();
  }

  private boolean isLoadNeeded(HealthChecker.HealthCheckResult result) {
    return result.status() == ProbeResult.Status.MODEL_NOT_LOADED
        && modelLoader.isLoadTooLong()
        && !result.isContradicted();
  }

  private void onUnreachable(AttemptException unreachable) {
    AttemptException failure =
        AttemptException.of(
            FailureKind.UNRESPONSIVE, "silent, and " + describeUnreachable(unreachable));
    breaker.forceOpen(failure, () -> endAttempts(failure, unreachable));
  }

  private static String describeUnreachable(AttemptException unreachable) {
    return unreachable.kind() == FailureKind.UNRESPONSIVE
        ? unreachable.message()
        : "dead to a health check: " + unreachable.kind() + ", " + unreachable.message();
  }

  private String describeUnloaded(@Nullable AttemptException found) {
    return (found == null ? "" : found.message() + "; ") + modelLoader.lastLoadMessage();
  }

  /** It is not there: who waits for the first piece of an answer moves on. */
  void markDown(AttemptException failure) {
    breaker.forceOpen(failure, () -> failOverWaiters(failure));
  }

  /** It has the wrong settings: who waits for the first piece of an answer moves on. */
  void markDownUntilRepaired(AttemptException failure) {
    breaker.openUntilRepaired(failure, () -> failOverWaiters(failure));
  }

  /**
   * Its model has to be loaded, which nobody else is to wait for; see {@link
   * EndpointCircuitBreaker#beginWarming}.
   */
  public boolean beginWarming(AttemptException why, boolean again) {
    return breaker.beginWarming(why, again, () -> failOverHopelessWaiters(why));
  }

  /** It turns calls away, while those that it has taken are waiting in a load. */
  void onLoadRejected(AttemptException failure) {
    breaker.forceOpen(failure, () -> {});
  }

  public EndpointCircuitBreaker breaker() {
    return breaker;
  }

  /**
   * An attempt got no byte in all its time, as is usual while a model is being loaded.
   *
   * @param since when it was begun
   * @param silentAttempt what it is weighed as if that is not the reason; null if there is another
   */
  public void onNoFirstByte(long since, WedgedModelDetector.@Nullable SilentAttempt silentAttempt) {
    if (modelLoader.mayBeUnloaded(since)) {
      check(
          result ->
              assessSilence(
                  silentAttempt,
                  result,
                  result.isContradicted() ? null : modelLoader.onProbe(result.status())));
    } else if (silentAttempt != null) {
      check(result -> assessSilence(silentAttempt, result, null));
    }
  }

  private void assessSilence(
      WedgedModelDetector.@Nullable SilentAttempt silentAttempt,
      HealthChecker.HealthCheckResult result,
      @Nullable CompletableFuture<ProbeResult> load) {
    if (silentAttempt != null) {
      wedgeDetector.assess(silentAttempt, result, load);
    }
  }

  public WedgedModelDetector wedgeDetector() {
    return wedgeDetector;
  }

  /**
   * Returns whether an attempt is under way that was made before then: the server may work on that
   * one.
   */
  boolean hasEarlierAttempt(long then) {
    return attempts.stream().anyMatch(other -> other.isOlderThan(then));
  }

  /**
   * Returns whether its model is wedged, as far as a health check since then does not say
   * otherwise.
   */
  public boolean isWedged(long since) {
    return wedgeDetector.isWedged() && checker.hasFoundReadySince(since);
  }

  /** It is down, or has been, for this reason: nobody is to wait there. */
  void markDownFor(AttemptException failure) {
    breaker.forceOpenFor(failure, () -> failOverWaiters(failure));
  }

  /** Everybody who waits for the first piece of an answer moves on. */
  void failOverWaiters(AttemptException failure) {
    for (RunningAttempt attempt : attempts) {
      attempt.failOver(failure);
    }
  }

  /**
   * A health check has found the node dead: everybody there moves on, in the middle of an answer
   * too.
   *
   * @param failure what those are told who wait for the first piece
   */
  void endAttempts(AttemptException failure, AttemptException unreachable) {
    boolean certain = !UnhealthyThreshold.isSilent(unreachable);
    AttemptException begun =
        AttemptException.of(
            FailureKind.UNRESPONSIVE,
            "silent in the middle of its answer, and " + describeUnreachable(unreachable));
    for (RunningAttempt attempt : attempts) {
      attempt.onUnreachable(failure, begun, certain);
    }
  }

  /** Whether it lives, and whether its model is there. */
  void check(Consumer<HealthChecker.HealthCheckResult> then) {
    CompletableFuture<@Nullable Void> unused =
        checker.check(
            check -> {
              then.accept(check);
              return CompletableFuture.completedFuture(null);
            });
  }

  /** The state has changed. */
  public void onStateChanged(EndpointChange change) {
    if (isProbed()) {
      recovery.onStateChanged(change);
    }
  }

  /**
   * Makes sure that the model is loaded.
   *
   * @return completed, never exceptionally, when it is, or cannot be
   */
  public CompletableFuture<?> warmUp() {
    if (!isProbed()) {
      return CompletableFuture.completedFuture(null);
    }
    advice.probeOnce();
    return checker
        .check(result -> confirmUnreachable(result, this::markDown))
        .thenCompose(result -> modelLoader.warmUp(result.status()));
  }

  /**
   * Has a health check judged that may have found nobody.
   *
   * @param then is told why the server is taken for dead, if it is
   * @return completed with the last health check that was needed for that
   */
  CompletableFuture<HealthChecker.HealthCheckResult> confirmUnreachable(
      HealthChecker.HealthCheckResult result, Consumer<AttemptException> then) {
    return confirmation
        .confirm(result)
        .thenApply(
            confirmed -> {
              AttemptException unreachable = confirmed.failure();
              if (unreachable != null) {
                then.accept(unreachable);
              }
              return confirmed.result();
            });
  }

  /**
   * Asks at once whether the endpoint is repaired, as a person says, and lets the next call try it
   * if nothing speaks against that. Where it cannot be asked, the next call finds out.
   *
   * @return completed, never exceptionally, when that is decided
   */
  public CompletableFuture<?> recheck() {
    if (!isProbed()) {
      breaker.endBackoff();
      return CompletableFuture.completedFuture(null);
    }
    long said = time.nanos();
    return checker
        .check(CompletableFuture::completedFuture)
        // One that was under way may have seen it as it was before.
        .thenCompose(
            result ->
                result.isStartedBefore(said) ? checker.check(this::recheck) : recheck(result));
  }

  private CompletableFuture<Void> recheck(HealthChecker.HealthCheckResult result) {
    return confirmation.confirm(result).thenCompose(confirmed -> decideRecheck(confirmed.result()));
  }

  private CompletableFuture<Void> decideRecheck(HealthChecker.HealthCheckResult result) {
    boolean cold = result.status() == ProbeResult.Status.MODEL_NOT_LOADED && modelLoader.canLoad();
    boolean ill =
        result.unreachableFailure() != null || result.status() == ProbeResult.Status.NOT_READY;
    if (!breaker.isUpOrTrial() && cold) {
      return modelLoader.verifyLoaded(true, breaker::endBackoff);
    }
    if (!ill) {
      breaker.endBackoff();
    }
    return CompletableFuture.completedFuture(null);
  }

  public ModelLoader modelLoader() {
    return modelLoader;
  }

  public RecoveryMonitor recovery() {
    return recovery;
  }

  /** Nothing is asked any more. */
  public void close() {
    recovery.close();
    modelLoader.close();
    probes.close();
    confirmation.close();
  }
}
