// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.health;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.UserCode;
import dev.offmeter.internal.circuit.EndpointCircuitBreaker;
import dev.offmeter.internal.circuit.RequestRateLimiter;
import dev.offmeter.internal.http.EndpointConfig;
import dev.offmeter.internal.http.Probe;
import dev.offmeter.internal.time.ProcessPauseDetector;
import dev.offmeter.internal.time.ScheduledTask;
import dev.offmeter.internal.time.TimeSource;
import dev.offmeter.internal.time.WeakTask;
import dev.offmeter.internal.wire.ProbeResult;
import java.time.Duration;
import java.util.EnumSet;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Finds out whether a server has its model in memory, and loads it in the background. A server that
 * loads on demand aborts the load when the request that began it is cancelled, so calls with a
 * timeout shorter than the load would never see an answer: the load gets a request of its own. Safe
 * for use by many threads.
 */
public final class ModelLoader {
  private static final Logger LOG = LoggerFactory.getLogger("dev.offmeter");

  /** The longest load of a model that is in memory already. */
  static final Duration INSTANT = Duration.ofSeconds(2);

  /** The time without another load after one that the endpoint's own rate limit rejected. */
  private static final long RATE_LIMITED_DELAY = Duration.ofSeconds(30).toNanos();

  /** The time without another load after one that was rejected. */
  private static final long REJECTED_DELAY = Duration.ofMinutes(10).toNanos();

  /** The wait after a second load that had nothing to load; doubles with each further one. */
  private static final long TOKEN_BACKOFF = Duration.ofSeconds(10).toNanos();

  private static final int MAX_DOUBLINGS = 6;

  /**
   * The wait before a load is requested again after the server's full queue rejected one; doubles
   * each time.
   */
  private static final long BUSY_DELAY = Duration.ofSeconds(1).toNanos();

  private static final int MAX_BUSY_DOUBLINGS = 3;

  /**
   * The most loads rejected by a full queue in a row; about {@link
   * EndpointCircuitBreaker#MODEL_LOAD_TIMEOUT} in all.
   */
  private static final int MAX_BUSY = 75;

  private static final Set<FailureKind> REJECTIONS =
      EnumSet.of(FailureKind.PATH_NOT_FOUND, FailureKind.BAD_REQUEST);

  /** Failures of a load that a call would meet too, so that an operator has to act. */
  private static final Set<FailureKind> WRONG_SETTINGS =
      EnumSet.of(FailureKind.MODEL_NOT_FOUND, FailureKind.OPTION_REJECTED);

  /**
   * Replies from which nothing about the model follows: a proxy may let calls through, and nothing
   * else.
   */
  private static final Set<ProbeResult.Status> UNCLEAR =
      EnumSet.of(
          ProbeResult.Status.UNAUTHORIZED,
          ProbeResult.Status.UNRECOGNIZED,
          ProbeResult.Status.UNKNOWN);

  /** The wait before a request is repeated whose reply was spoiled on the way. */
  private static final long REPEAT_DELAY = Duration.ofSeconds(1).toNanos();

  private static final long UNKNOWN = 0;

  private final EndpointConfig config;
  private final ProbeRunner probes;
  private final HealthMonitor health;
  private final EndpointCircuitBreaker breaker;
  private final LatencyWindow latencies;
  private final EndpointActivity activity;
  private final RequestRateLimiter rateLimiter;
  private final TimeSource time;

  private final IdleModelWatch idleWatch;
  private final KeepWarmTask keepWarmTask;
  private final ModelEvictionDetector evictionDetector = new ModelEvictionDetector();
  private final AtomicBoolean tokenLogged = new AtomicBoolean();
  private final AtomicBoolean evictionLogged = new AtomicBoolean();

  // Guarded by the lock.
  private final ReentrantLock lock = new ReentrantLock();
  private @Nullable ModelLoad currentLoad;

  // Written by the thread on which a load ends or, if that loads the model, a call is served; read
  // by any. A write that is lost in a race costs one more request for a load. The probe changes
  // once at most.
  private final AtomicInteger fruitlessTokens = new AtomicInteger();
  private volatile Probe.Kind loadProbe;
  private volatile long loadNanos = UNKNOWN;
  private volatile long loadNotBefore;
  private volatile int busyCount;
  private volatile @Nullable Future<?> busyRetry;
  private volatile @Nullable Future<?> repetition;

  // Written once, by the thread that closes the client.
  private volatile boolean closed;

  ModelLoader(
      EndpointConfig config,
      ProbeRunner probes,
      HealthMonitor health,
      LatencyWindow latencies,
      EndpointActivity activity,
      RequestRateLimiter rateLimiter,
      TimeSource time) {
    this.config = config;
    this.probes = probes;
    this.health = health;
    this.breaker = health.breaker();
    this.latencies = latencies;
    this.activity = activity;
    this.rateLimiter = rateLimiter;
    this.time = time;
    this.loadProbe =
        probes.isSupported(Probe.Kind.LOAD_MODEL)
            ? Probe.Kind.LOAD_MODEL
            : Probe.Kind.GENERATE_TOKEN;
    this.loadNotBefore = time.nanos();
    this.idleWatch =
        new IdleModelWatch(config, probes, breaker, activity, time, this::isLoadTooLong);
    this.keepWarmTask = new KeepWarmTask(config, this, health, time);
  }

  /** Returns how long the last load took, in words. */
  String lastLoadMessage() {
    return "the last load took " + Duration.ofNanos(loadNanos).toMillis() + " ms";
  }

  /** Returns the nanoseconds of the last load; 0 if unknown. */
  long lastLoadNanos() {
    return loadNanos;
  }

  /** Returns the nanoseconds within which nearly every answer is complete. */
  long usualAnswerNanos() {
    return latencies.total95();
  }

  /**
   * Returns whether a call that waits for a load would miss its timeouts; false if that is unknown.
   */
  boolean isLoadTooLong() {
    return loadNanos != UNKNOWN
        && (loadNanos > config.timeouts().firstToken().toNanos()
            || loadNanos + latencies.total95() > config.timeouts().attempt().toNanos());
  }

  /**
   * Called before a call is admitted. If the idle model has probably been unloaded, starts a
   * background load so that this call fails over instead of waiting for it.
   */
  public void loadIfProbablyUnloaded() {
    keepWarm();
    if (idleWatch.isProbablyUnloaded() && breaker.isUpOrTrial()) {
      loadWhileWarming(
          AttemptException.of(
              FailureKind.MODEL_COLD,
              "the server has dropped the model, unused; " + lastLoadMessage()));
    }
  }

  /** Returns whether {@link #loadIfProbablyUnloaded} would start a load now. */
  public boolean wouldLoadBeforeCall() {
    return idleWatch.isProbablyUnloaded() && breaker.isUpOrTrial() && canLoad();
  }

  /**
   * Loads the model in the background while calls use other endpoints.
   *
   * @param why the reason that those calls report
   */
  void loadWhileWarming(AttemptException why) {
    loadWhileWarming(why, idleWatch.isLoadedRecently());
  }

  /**
   * Loads the model in the background while calls use other endpoints.
   *
   * @param again whether the model was loaded a short while ago, and is cold all the same
   */
  void loadWhileWarming(AttemptException why, boolean again) {
    recordEviction();
    if (canLoad() && health.beginWarming(why, again)) {
      CompletableFuture<ProbeResult> unused = load();
    }
  }

  /**
   * Records that the model is not in memory. After an outage that is no eviction: a server that was
   * gone has lost its model by that.
   */
  void recordEviction() {
    boolean restarted = breaker.isTrippedAtOnce() && !breaker.isUpOrTrial();
    boolean pushedOut = !restarted && !breaker.isWarming() && idleWatch.isLoadedRecently();
    if (pushedOut && evictionDetector.onEvicted(time.nanos())) {
      leaveToCalls();
    }
  }

  /** Leaves the model to the calls to load; none is kept away any more because it was cold. */
  private void leaveToCalls() {
    breaker.endBackoffOfUnloadedModel();
    if (evictionLogged.compareAndSet(false, true)) {
      UserCode.ignore(
          () ->
              LOG.warn(
                  "endpoint {} has lost its model soon after a load, again and again: another"
                      + " model, or this one with another num_ctx, pushes it out of the server's"
                      + " memory. It is no longer loaded in the background, but by calls alone, for"
                      + " 10 min each time. Raise OLLAMA_MAX_LOADED_MODELS as far as the models"
                      + " fit, or ask that server for one model with one num_ctx; see"
                      + " docs/troubleshooting.md#{}; said once",
                  config.name(),
                  FailureKind.MODEL_COLD.anchor()));
    }
  }

  /** Returns whether the model can be loaded before a call. */
  boolean canLoad() {
    return probes.isSupported(loadProbe) && time.nanos() - loadNotBefore >= 0 && !isLeftToCalls();
  }

  /** Returns whether background loads would only evict what evicts this model. */
  boolean isLeftToCalls() {
    return evictionDetector.isLeftToCalls(time.nanos());
  }

  /**
   * Returns whether a load has to confirm that the server is back. A token is worth its cost only
   * where the server is known to load on demand.
   */
  boolean canConfirm() {
    return canLoad() && (!isTokenNeeded() || loadNanos != UNKNOWN);
  }

  /** Returns whether only a request for a token loads the model. */
  boolean isTokenNeeded() {
    return loadProbe == Probe.Kind.GENERATE_TOKEN;
  }

  /**
   * Returns whether an attempt that got no byte may have waited for a load. Where only a request
   * for a token can tell, none is sent if others were served meanwhile, or if there was hardly time
   * for a byte.
   *
   * @param since when the attempt began
   */
  boolean mayBeUnloaded(long since) {
    if (!isTokenNeeded()) {
      return probes.isSupported(loadProbe);
    }
    long enough = Math.min(INSTANT.toNanos(), config.timeouts().firstToken().toNanos());
    return canLoad() && time.nanos() - since >= enough && !activity.hasServedSince(since);
  }

  /**
   * Called after a health check of a silent or idle endpoint; finds out by a load whether the model
   * is in memory. A load that is over at once costs nothing.
   *
   * @return the load; null if none was started
   */
  @Nullable CompletableFuture<ProbeResult> onProbe(ProbeResult.Status status) {
    return onProbe(status, false);
  }

  @Nullable CompletableFuture<ProbeResult> onProbe(ProbeResult.Status status, boolean alone) {
    if (status == ProbeResult.Status.MODEL_NOT_LOADED) {
      loadWhileWarming(AttemptException.of(FailureKind.MODEL_COLD, "the model is not in memory"));
    } else if (status == ProbeResult.Status.READY && canLoad()) {
      long since = time.nanos();
      CompletableFuture<ProbeResult> load = loadQuietly(alone);
      CompletableFuture<Void> unused =
          load.thenAccept(found -> onTokenResult(found, time.nanos() - since));
      return load;
    }
    return null;
  }

  /**
   * Makes requests for a token rarer for as long as they find no model to be loaded, because each
   * costs a little.
   */
  private void onTokenResult(ProbeResult found, long took) {
    if (!isTokenNeeded() || isRejection(found)) {
      return;
    }
    if (found.status() == ProbeResult.Status.READY && took > INSTANT.toNanos()) {
      fruitlessTokens.set(0);
      return;
    }
    int before = fruitlessTokens.getAndIncrement();
    long pause = before == 0 ? 0 : TOKEN_BACKOFF << Math.min(before - 1, MAX_DOUBLINGS);
    loadNotBefore = time.nanos() + Math.max(pause, took > INSTANT.toNanos() ? took : 0);
  }

  /**
   * Loads a model that the server lists: Ollama may list one that is still being loaded, by a call
   * or by another client, and only a load tells. If the load is not over at once, the endpoint
   * becomes WARMING, so that calls do not wait for it.
   */
  CompletableFuture<ProbeResult> loadQuietly() {
    return loadQuietly(false);
  }

  /**
   * Loads a model that the server lists, without making calls wait.
   *
   * @param alone whether only this load suggests that the model is not in memory, so that a second
   *     request has to confirm it
   */
  private CompletableFuture<ProbeResult> loadQuietly(boolean alone) {
    boolean again = idleWatch.isLoadedRecently();
    ModelLoad load = startLoad();
    watchForLateLoad(load, time.nanos(), again, alone);
    return load.completion();
  }

  private void watchForLateLoad(ModelLoad load, long since, boolean again, boolean alone) {
    Runnable late =
        () -> {
          if (!isRunning(load) || activity.hasServedSince(since)) {
            // Calls are served, so the model is in memory: the load only waits behind them.
            return;
          }
          if (alone && load.isRequestedOnce()) {
            requestLoadAgain(load);
            watchForLateLoad(load, since, again, false);
          } else {
            loadWhileWarming(lateFailure(), again);
          }
        };
    SlowLoadTask limitTask = new SlowLoadTask(probes, time, time.nanos() + INSTANT.toNanos(), late);
    Future<?> timeout = time.schedule(INSTANT.toNanos(), limitTask);
    CompletableFuture<Void> unused = load.completion().thenRun(() -> TimeSource.cancel(timeout));
  }

  private AttemptException lateFailure() {
    AttemptException otherwise = health.loadedDifferently();
    return otherwise != null
        ? otherwise
        : AttemptException.of(FailureKind.MODEL_COLD, "the model is still being loaded");
  }

  /**
   * Ends the wait for a quick load. The timer's thread only hands the work over, because acting on
   * it may take long. A timer that fires late has found nothing out: the reply may lie unread.
   */
  private record SlowLoadTask(ProbeRunner probes, TimeSource time, long dueAt, Runnable task)
      implements ScheduledTask {
    @Override
    public Purpose purpose() {
      return Purpose.LOAD_LIMIT;
    }

    @Override
    public void run() {
      if (!ProcessPauseDetector.isLate(dueAt, time.nanos())) {
        probes.runInBackground(task);
      }
    }
  }

  /**
   * Loads the model, or joins the load that is running.
   *
   * @return completed, never exceptionally, when the load is over and has been acted on
   */
  CompletableFuture<ProbeResult> load() {
    return startLoad().completion();
  }

  private ModelLoad startLoad() {
    ModelLoad begun = new ModelLoad(time.nanos());
    lock.lock();
    try {
      if (currentLoad != null) {
        return currentLoad;
      }
      currentLoad = begun;
    } finally {
      lock.unlock();
    }
    // Without the lock: if the request cannot be sent, this acts on the end of the load at once.
    requestLoad(begun);
    return begun;
  }

  private void requestLoad(ModelLoad load) {
    try {
      countToken(time.nanos());
      load.onRequest(time.nanos());
      probes.probeInParallel(
          loadProbe,
          EndpointCircuitBreaker.MODEL_LOAD_TIMEOUT,
          probeResult -> onLoadReply(load, probeResult));
    } catch (AttemptException e) {
      // Like a rejection: nothing follows for the model, and the next load has to wait.
      finishLoad(load, ProbeResult.of(ProbeResult.Status.UNAUTHORIZED, e));
    }
  }

  /** Requests a running load again, unless the requests of this minute are used up. */
  private void requestLoadAgain(ModelLoad load) {
    long left =
        EndpointCircuitBreaker.MODEL_LOAD_TIMEOUT.toNanos() - (time.nanos() - load.startedAt());
    try {
      countToken(time.nanos());
      load.onRequest(time.nanos());
      probes.probeInParallel(
          loadProbe, Duration.ofNanos(left), probeResult -> onLoadReply(load, probeResult));
    } catch (AttemptException spent) {
      // The first request may still be answered; without a free request this minute there is no
      // second one.
    }
  }

  private void onLoadReply(ModelLoad load, ProbeResult probeResult) {
    switch (load.onReply(probeResult, isSettled(probeResult))) {
      case IGNORED -> {}
      case SPOILED -> repetition = runAfter(REPEAT_DELAY, ModelLoader::repeatLoad);
      case SETTLES -> onLoadSettled(load, probeResult);
    }
  }

  /** Returns whether the server itself has said whether the model can be loaded. */
  private static boolean isSettled(ProbeResult probeResult) {
    AttemptException failure = probeResult.failure();
    return probeResult.status() == ProbeResult.Status.READY
        || isRejection(probeResult)
        || (failure != null && WRONG_SETTINGS.contains(failure.kind()));
  }

  /**
   * Ends the load, or repeats it as a request for a token: a proxy may let only OpenAI's API
   * through to an Ollama.
   */
  private void onLoadSettled(ModelLoad load, ProbeResult probeResult) {
    if (!isTokenNeeded()
        && isRejection(probeResult)
        && probes.isSupported(Probe.Kind.GENERATE_TOKEN)) {
      loadProbe = Probe.Kind.GENERATE_TOKEN;
      requestLoad(load);
    } else {
      finishLoad(load, probeResult);
    }
  }

  private void repeatLoad() {
    ModelLoad load = runningLoad();
    if (load != null && load.isToBeRepeated()) {
      requestLoad(load);
    }
  }

  /** Ends a load that waits to be repeated, so that its waiters go on. */
  private void cancelRepetition() {
    TimeSource.cancel(repetition);
    ModelLoad load = runningLoad();
    if (load != null && load.isToBeRepeated()) {
      finishLoad(load, ProbeRunner.NOT_PROBED);
    }
  }

  /** Requests a running load again if a health check suggests that its reply was lost. */
  void onHealthCheck(HealthChecker.HealthCheckResult result) {
    ModelLoad load = runningLoad();
    if (load == null || !result.isAlive()) {
      return;
    }
    boolean there = !isTokenNeeded() && result.isHealthy();
    if (load.onServerAlive(there, loadNanos, isTokenNeeded(), time.nanos())) {
      requestLoadAgain(load);
    }
  }

  private void countToken(long now) throws AttemptException {
    if (!isTokenNeeded()) {
      return;
    }
    rateLimiter.take(now);
    if (tokenLogged.compareAndSet(false, true)) {
      UserCode.ignore(
          () ->
              LOG.info(
                  "endpoint {} is asked for one token in the background, so that it loads its"
                      + " model",
                  config.name()));
    }
  }

  private boolean isRunning(ModelLoad load) {
    return runningLoad() == load;
  }

  private @Nullable ModelLoad runningLoad() {
    lock.lock();
    try {
      return currentLoad;
    } finally {
      lock.unlock();
    }
  }

  private void finishLoad(ModelLoad load, ProbeResult probeResult) {
    if (!load.tryEnd()) {
      return;
    }
    if (load.isAwaited()) {
      // The load is over, so the requests still running are useless.
      probes.cancel(loadProbe);
    }
    lock.lock();
    try {
      // Before the result is acted on, which may begin the next load.
      currentLoad = null;
    } finally {
      lock.unlock();
    }
    try {
      onLoadResult(probeResult, load.duration(INSTANT.toNanos(), time.nanos()));
    } finally {
      // Last, so that those who wait for the load find the state that follows from it.
      load.completion().complete(probeResult);
    }
  }

  private void onLoadResult(ProbeResult probeResult, long took) {
    AttemptException failure = probeResult.failure();
    if (probeResult.status() == ProbeResult.Status.READY) {
      if (took > INSTANT.toNanos()) {
        loadNanos = took;
      }
      onModelLoaded(took > INSTANT.toNanos());
      idleWatch.start();
    } else if (isRejection(probeResult)) {
      // Calls may succeed all the same: a proxy may let only their path through.
      boolean ours = failure != null && failure.kind() == FailureKind.CLIENT_RATE_LIMITED;
      loadNotBefore = time.nanos() + (ours ? RATE_LIMITED_DELAY : REJECTED_DELAY);
      breaker.onModelLoaded();
    } else if (failure != null && failure.kind() == FailureKind.SERVER_BUSY) {
      onServerBusy(failure);
    } else if (failure != null && !closed) {
      onLoadFailed(failure, took);
    }
  }

  /**
   * Called when a call has its first piece. If the model was not in memory before, that call has
   * loaded it.
   */
  void onServed() {
    if (breaker.isWarming()) {
      ModelLoad load = runningLoad();
      if (load == null) {
        onModelLoaded(true);
      } else {
        // A call's piece proves the load, and its own reply may be lost.
        finishLoad(load, ProbeResult.READY);
      }
    } else if (!evictionDetector.isLoaded()) {
      evictionDetector.onLoaded(time.nanos(), true);
    }
  }

  private void onModelLoaded(boolean loaded) {
    evictionDetector.onLoaded(time.nanos(), loaded);
    idleWatch.onModelLoaded();
    busyCount = 0;
    TimeSource.cancel(busyRetry);
    health.onModelLoaded();
    breaker.onModelLoaded();
  }

  /**
   * Called when the server's queue is full: of calls, which load the model themselves, or of a load
   * of another model.
   */
  private void onServerBusy(AttemptException failure) {
    if (closed || !breaker.isWarming()) {
      return;
    }
    int before = busyCount;
    busyCount = before + 1;
    if (isTokenNeeded() || before >= MAX_BUSY) {
      busyCount = 0;
      health.onLoadRejected(failure);
    } else {
      TimeSource.cancel(busyRetry);
      busyRetry =
          runAfter(BUSY_DELAY << Math.min(before, MAX_BUSY_DOUBLINGS), ModelLoader::loadIfWarming);
    }
  }

  private void loadIfWarming() {
    if (breaker.isWarming()) {
      CompletableFuture<ProbeResult> unused = load();
    }
  }

  private void onLoadFailed(AttemptException failure, long took) {
    boolean wrong = WRONG_SETTINGS.contains(failure.kind());
    if (breaker.isWarming() && !wrong) {
      health.markDown(asWedgedIfSilent(failure));
    } else if (breaker.isWarming() || (wrong && !isTokenNeeded() && !isServing(took))) {
      health.markDownUntilRepaired(failure);
    }
  }

  /** Returns whether calls are being answered, which outweighs what a load reports. */
  private boolean isServing(long took) {
    return activity.hasServedSince(time.nanos() - took - HealthChecker.RECENTLY_SERVED);
  }

  /**
   * Reports a load without a reply as WEDGED where the health check passes all the while, because
   * that check must then not bring the endpoint back at once.
   */
  private AttemptException asWedgedIfSilent(AttemptException failure) {
    return isTokenNeeded() && failure.kind() == FailureKind.UNRESPONSIVE
        ? AttemptException.of(
            FailureKind.WEDGED, "no token in the background either: " + failure.message())
        : failure;
  }

  private static boolean isRejection(ProbeResult probeResult) {
    AttemptException failure = probeResult.failure();
    return probeResult.status() == ProbeResult.Status.UNAUTHORIZED
        || (failure != null && REJECTIONS.contains(failure.kind()));
  }

  /**
   * Loads the model after an outage, so that no call has to wait for it. A load that fails for a
   * reason that would fail a call too takes the endpoint DOWN until an operator acts.
   *
   * @param certain whether the load must succeed; else a reply from which nothing follows is enough
   * @param then runs if the endpoint may be used
   * @return completed when the load is over and {@code then} has run
   */
  CompletableFuture<Void> verifyLoaded(boolean certain, Runnable then) {
    return loadQuietly()
        .thenAccept(
            probeResult -> {
              boolean there = probeResult.status() == ProbeResult.Status.READY;
              AttemptException failure = probeResult.failure();
              if (!there && failure != null && WRONG_SETTINGS.contains(failure.kind())) {
                health.markDownUntilRepaired(failure);
              } else if (there || (!certain && UNCLEAR.contains(probeResult.status()) && !closed)) {
                then.run();
              }
            });
  }

  /**
   * Loads the model as the first health check asks for, before any call.
   *
   * @return completed when the model is loaded or cannot be
   */
  CompletableFuture<ProbeResult> warmUp(ProbeResult.Status status) {
    evictionDetector.reset(time.nanos());
    keepWarm();
    if (canLoad() && status == ProbeResult.Status.MODEL_NOT_LOADED) {
      health.beginWarming(
          AttemptException.of(FailureKind.MODEL_COLD, "the model is being loaded"), false);
      return load();
    }
    return canLoad() && status == ProbeResult.Status.READY
        ? loadQuietly()
        : CompletableFuture.completedFuture(ProbeRunner.NOT_PROBED);
  }

  private @Nullable Future<?> runAfter(long nanos, Consumer<ModelLoader> action) {
    return closed
        ? null
        : time.schedule(nanos, WeakTask.of(this, ScheduledTask.Purpose.HEALTH_CHECK, action));
  }

  /** Starts to keep the model in memory, if the endpoint is configured so. */
  void keepWarm() {
    if (config.keepWarm() && canLoad()) {
      keepWarmTask.start();
    }
  }

  /** Takes the endpoint DOWN in the middle of a load, because its server is gone. */
  void abandonLoad(AttemptException failure) {
    // Before the cancellation, whose failure would else take the endpoint DOWN for a vaguer reason.
    health.markDown(failure);
    probes.cancel(loadProbe);
    cancelRepetition();
  }

  void close() {
    closed = true;
    keepWarmTask.close();
    idleWatch.close();
    TimeSource.cancel(busyRetry);
    cancelRepetition();
  }
}
