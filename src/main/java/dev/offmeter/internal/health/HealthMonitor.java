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
import dev.offmeter.observe.EndpointState;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Watches the health of one endpoint in the background: is a silent one alive, has one that was
 * DOWN recovered, is its model loaded? Safe for use by many threads; never blocks.
 *
 * <p>{@link RecoveryMonitor} handles an endpoint that is DOWN; {@link ModelLoader}, a cold model.
 */
public final class HealthMonitor {
  /**
   * The longest silence of an attempt before the endpoint is health-checked, however long its
   * limits are.
   */
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
  private final ModelInquiry inquiry;
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
    this.inquiry = new ModelInquiry(config.traits(), probes, time);
    this.modelLoader =
        new ModelLoader(config, probes, this, latencies, activity, rateLimiter, time);
    this.wedgeDetector = new WedgedModelDetector(config, probes, this, activity, time);
    this.recovery = new RecoveryMonitor(this, breaker, time, checkInterval);
  }

  /** Returns whether the endpoint has a health check. */
  public boolean isProbed() {
    return probes.isSupported(Probe.Kind.LIVENESS);
  }

  /**
   * Returns how long an attempt is silent before the endpoint is health-checked: a third of its
   * limit, at most 5 s.
   */
  public static long silenceThreshold(Duration firstToken) {
    return Math.min(firstToken.toNanos() / 3, MAX_SILENCE_THRESHOLD.toNanos());
  }

  /** Adds an attempt that waits for its answer. */
  public void addAttempt(RunningAttempt attempt) {
    attempts.add(attempt);
  }

  /** Removes an attempt that has ended. */
  public void removeAttempt(RunningAttempt attempt) {
    attempts.remove(attempt);
  }

  /** Returns whether any attempt is under way. */
  public boolean hasAttempts() {
    return !attempts.isEmpty();
  }

  /**
   * Called when an attempt has been silent for so long that the endpoint may be dead; starts a
   * health check.
   *
   * @param pooled whether a pooled connection may be the cause, even though other calls are being
   *     served
   */
  public void onSilence(boolean pooled) {
    long now = time.nanos();
    if (isProbed() && !checker.isRecent(now) && (pooled || !activity.isRecentlyActive(now))) {
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
      // A healthy answer over a new connection shows that the pooled one may be the cause; if a
      // resent request is silent too, the server is merely slow.
      attempts.forEach(RunningAttempt::onServerHealthy);
    }
  }

  /** Returns whether a health check has found the server healthy since {@code then}. */
  public boolean isFoundHealthySince(long then) {
    return checker.hasFoundHealthySince(then);
  }

  /**
   * Records an attempt that has stalled.
   *
   * @param begun when the attempt began
   * @param since when its last piece came
   * @return whether the stall is no new evidence: the server is healthy, and another attempt showed
   *     the same
   */
  public boolean recordStall(long begun, long since) {
    return checker.hasFoundReadySince(since) && stallCorrelator.recordStall(begun, time.nanos());
  }

  /** Returns why a load of a listed model takes long; null if it is only being loaded. */
  @Nullable AttemptException loadedDifferently() {
    return checker.loadedDifferently();
  }

  public ModelInquiry inquiry() {
    return inquiry;
  }

  public OllamaAdvice advice() {
    return advice;
  }

  public ResendPolicy resendPolicy() {
    return resendPolicy;
  }

  /**
   * Moves the attempts that a load would come too late for, whether the model can be loaded in the
   * background or not.
   */
  private void onModelUnloaded(AttemptException failure) {
    modelLoader.loadWhileWarming(failure);
    if (!modelLoader.isLeftToCalls()) {
      failOverHopelessWaiters(failure);
    }
  }

  /**
   * Moves only those attempts for which the load would come too late, as far as is known: the
   * server loads its model for the attempts that wait, and aborts the load when they go.
   */
  private void failOverHopelessWaiters(AttemptException failure) {
    long now = time.nanos();
    for (RunningAttempt attempt : attempts) {
      long left = loadProgress.remaining(attempt.startedAt(), now, modelLoader.lastLoadNanos());
      if (!attempt.canOutlast(left, modelLoader.usualAnswerNanos())) {
        attempt.failIfSilent(failure);
      }
    }
  }

  /** Called when an attempt has ended without a byte. */
  public void onAttemptAbandoned(RunningAttempt attempt) {
    long begun = attempt.startedAt();
    // A server loads for the call that came first: only its end aborts the load.
    boolean first = attempts.stream().noneMatch(other -> other.isWaitingLongerThan(begun));
    loadProgress.onAbandoned(begun, time.nanos(), first);
  }

  /** Called when the model is in memory. */
  void onModelLoaded() {
    loadProgress.onLoaded();
  }

  /** Called when an attempt has its first piece, the best proof that the model is in memory. */
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
    // The circuit opens before the attempts are ended, so that none of their calls comes back.
    breaker.openUnlessOpen(failure, () -> endAttempts(failure, unreachable));
  }

  private static String describeUnreachable(AttemptException unreachable) {
    return unreachable.kind() == FailureKind.UNRESPONSIVE
        ? unreachable.message()
        : "unreachable to a health check: " + unreachable.kind() + ", " + unreachable.message();
  }

  private String describeUnloaded(@Nullable AttemptException found) {
    return (found == null ? "" : found.message() + "; ") + modelLoader.lastLoadMessage();
  }

  /** Takes the endpoint DOWN; attempts without a first piece move on. */
  void markDown(AttemptException failure) {
    breaker.openUnlessOpen(failure, () -> failSilentAttempts(failure));
  }

  /** Takes the endpoint DOWN until an operator acts; attempts without a first piece move on. */
  void markDownUntilRepaired(AttemptException failure) {
    breaker.openUntilRepaired(failure, () -> failSilentAttempts(failure));
  }

  /**
   * Marks the endpoint as WARMING, so that no further call waits for the load; see {@link
   * EndpointCircuitBreaker#beginWarming}.
   */
  public boolean beginWarming(AttemptException why, boolean again) {
    return breaker.beginWarming(why, again, () -> failOverHopelessWaiters(why));
  }

  /**
   * Takes the endpoint DOWN because it rejects calls, while those that it has accepted wait for a
   * load.
   */
  void onLoadRejected(AttemptException failure) {
    breaker.openUnlessOpen(failure, () -> {});
  }

  public EndpointCircuitBreaker breaker() {
    return breaker;
  }

  /**
   * Called when an attempt got no byte in all its time, as is usual while a model is being loaded.
   *
   * @param since when the attempt began
   * @param silentAttempt evidence of a wedged model, if no load explains the silence; null if
   *     something else does
   */
  public void onNoFirstByte(long since, WedgedModelDetector.@Nullable SilentAttempt silentAttempt) {
    if (modelLoader.mayBeUnloaded(since)) {
      check(
          result ->
              assessSilence(
                  silentAttempt,
                  result,
                  // A call that was served meanwhile has shown where the model is.
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
   * Returns whether an attempt from before {@code then} is under way, which the server may be
   * working on.
   */
  boolean hasEarlierAttempt(long then) {
    return attempts.stream().anyMatch(other -> other.isOlderThan(then));
  }

  /**
   * Returns whether the model is wedged, unless a health check since {@code since} says otherwise.
   */
  public boolean isWedged(long since) {
    return wedgeDetector.isWedged() && checker.hasFoundReadySince(since);
  }

  /**
   * Takes the endpoint DOWN for this reason, or corrects the reason if it is DOWN; attempts without
   * a first piece move on.
   */
  void markDownFor(AttemptException failure) {
    breaker.openOrReplaceReason(failure, () -> failSilentAttempts(failure));
  }

  /** Ends all attempts without a first piece, so that their calls move on. */
  void failSilentAttempts(AttemptException failure) {
    for (RunningAttempt attempt : attempts) {
      attempt.failIfSilent(failure);
    }
  }

  /**
   * Ends all attempts, even in the middle of an answer, because a health check has found the server
   * dead.
   *
   * @param ifWaiting the failure of attempts without a first piece
   * @param unreachable the result of the health check
   */
  void endAttempts(AttemptException ifWaiting, AttemptException unreachable) {
    // A silent check may itself be lost: then answers get longer to show that they go on.
    boolean certain = !UnhealthyThreshold.isSilent(unreachable);
    AttemptException ifAnswering =
        AttemptException.of(
            FailureKind.UNRESPONSIVE,
            "silent in the middle of its answer, and " + describeUnreachable(unreachable));
    for (RunningAttempt attempt : attempts) {
      attempt.onUnreachable(ifWaiting, ifAnswering, certain);
    }
  }

  /** Starts a health check, or joins the one that is running. */
  void check(Consumer<HealthChecker.HealthCheckResult> then) {
    CompletableFuture<@Nullable Void> unused =
        checker.check(
            check -> {
              then.accept(check);
              return CompletableFuture.completedFuture(null);
            });
  }

  /** Called when the endpoint's state has changed. */
  public void onStateChanged(EndpointChange change) {
    if (change.to() == EndpointState.DOWN) {
      inquiry.onDown();
    }
    if (isProbed()) {
      recovery.onStateChanged(change);
    }
  }

  /**
   * Loads the model if it is not in memory.
   *
   * @return completed, never exceptionally, when the model is in memory or cannot be loaded
   */
  public CompletableFuture<?> warmUp() {
    if (!isProbed()) {
      return CompletableFuture.completedFuture(null);
    }
    advice.probeOnce();
    return checker
        .check(result -> confirmUnreachable(result, this::markDown))
        .thenCompose(result -> modelLoader.warmUp(result.status()))
        .thenCompose(
            loaded ->
                breaker.isUpOrTrial()
                    ? inquiry.askIfDue()
                    : CompletableFuture.completedFuture(null));
  }

  /**
   * Judges a health check that may have found the server unreachable.
   *
   * @param then receives why the server counts as unreachable, if it does
   * @return completed with the last health check that was needed
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
   * Checks at once whether the endpoint works again, as an operator says, and makes the next call a
   * trial if nothing speaks against it. Without a health check, the next call finds out.
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
        // A check that was running may have seen the endpoint as it was before the repair.
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

  /** Stops all probes and tasks. */
  public void close() {
    recovery.close();
    modelLoader.close();
    inquiry.close();
    probes.close();
    confirmation.close();
  }
}
