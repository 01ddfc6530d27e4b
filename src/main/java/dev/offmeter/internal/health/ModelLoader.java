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
import dev.offmeter.internal.wire.ProbeResult;
import java.lang.ref.WeakReference;
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
 * Whether a server has its model in memory, and getting it there without a caller who waits. A
 * server that loads on demand aborts the load when the request that began it is given up, so that a
 * limit shorter than the load would never see an answer: the load has a request of its own. Safe
 * for use by many threads.
 */
public final class ModelLoader {
  private static final Logger LOG = LoggerFactory.getLogger("dev.offmeter");

  /** Loading a model that is loaded takes no longer than this. */
  private static final Duration INSTANT = Duration.ofSeconds(2);

  /** The server may keep a model longer than is known here. */
  private static final long RECHECK_DELAY = Duration.ofSeconds(30).toNanos();

  /** So long after a load that was refused none is tried. */
  private static final long REJECTED_DELAY = Duration.ofMinutes(10).toNanos();

  /** After a second load in vain; it doubles with each further one. */
  private static final long TOKEN_BACKOFF = Duration.ofSeconds(10).toNanos();

  private static final int MAX_DOUBLINGS = 6;

  /**
   * So long after a load that a full queue refused another is asked for; twice as long each time.
   */
  private static final long BUSY_DELAY = Duration.ofSeconds(1).toNanos();

  private static final int MAX_BUSY_DOUBLINGS = 3;

  /** That is {@link EndpointCircuitBreaker#MODEL_LOAD_TIMEOUT} in all, near enough. */
  private static final int MAX_BUSY = 75;

  private static final Set<FailureKind> REJECTIONS =
      EnumSet.of(FailureKind.PATH_NOT_FOUND, FailureKind.BAD_REQUEST);

  /** What a call would be told in the same words. */
  private static final Set<FailureKind> WRONG_SETTINGS =
      EnumSet.of(FailureKind.MODEL_NOT_FOUND, FailureKind.OPTION_REJECTED);

  /** A proxy may let calls through, and nothing else. */
  private static final Set<ProbeResult.Status> UNCLEAR =
      EnumSet.of(
          ProbeResult.Status.UNAUTHORIZED,
          ProbeResult.Status.UNRECOGNIZED,
          ProbeResult.Status.UNKNOWN);

  private static final long KEEP_ALIVE_MIN = Duration.ofSeconds(5).toNanos();
  private static final long KEEP_ALIVE_MAX = Duration.ofMinutes(2).toNanos();

  /** After a reply that something on the way has spoiled. */
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

  /** How the model is loaded; changes once at most. */
  private volatile Probe.Kind loadProbe;

  private final AtomicInteger fruitlessTokens = new AtomicInteger();
  private final AtomicBoolean tokenLogged = new AtomicBoolean();
  private final AtomicBoolean evictionLogged = new AtomicBoolean();
  private final ModelEvictionDetector evictionDetector = new ModelEvictionDetector();
  private final AtomicBoolean keepingWarm = new AtomicBoolean();
  private volatile boolean closed;
  private volatile @Nullable Future<?> nextKeepAlive;
  private volatile @Nullable Future<?> idleWatch;
  private volatile @Nullable Future<?> busyRetry;
  private volatile @Nullable Future<?> repetition;
  private volatile long loadNanos = UNKNOWN;
  private volatile long loadedAt;
  private volatile long checkedAt;
  private volatile boolean unloaded;
  private volatile boolean everLoaded;
  private volatile long loadNotBefore;
  private volatile int busyCount;
  private final AtomicBoolean watching = new AtomicBoolean();
  private final ReentrantLock lock = new ReentrantLock();
  private @Nullable ModelLoad currentLoad;

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
    this.loadedAt = time.nanos();
    this.checkedAt = loadedAt;
    this.loadNotBefore = loadedAt;
  }

  /** Returns how long the last load took, in words. */
  String lastLoadMessage() {
    return "the last load took " + Duration.ofNanos(loadNanos).toMillis() + " ms";
  }

  /** Returns how many nanoseconds the last load took; 0 if that is unknown. */
  long lastLoadNanos() {
    return loadNanos;
  }

  /** Returns how many nanoseconds nearly every answer takes. */
  long usualAnswerNanos() {
    return latencies.total95();
  }

  /**
   * Returns whether a call that has to wait for a load would miss its limits; false if that is
   * unknown.
   */
  boolean isLoadTooLong() {
    return loadNanos != UNKNOWN
        && (loadNanos > config.timeouts().firstToken().toNanos()
            || loadNanos + latencies.total95() > config.timeouts().attempt().toNanos());
  }

  /**
   * A call is about to go there. If the server has dropped the model, it is not the one to wait.
   */
  public void beforeCall() {
    keepWarm();
    boolean gone = unloaded && lastUsedAt() - checkedAt < 0;
    if ((gone || isProbablyUnloaded()) && breaker.isUpOrTrial()) {
      loadInBackground(
          AttemptException.of(
              FailureKind.MODEL_COLD,
              "the server has dropped the model, unused; " + lastLoadMessage()));
    }
  }

  /**
   * Loads the model while callers use other endpoints.
   *
   * @param why what they are told
   */
  void loadInBackground(AttemptException why) {
    loadInBackground(why, wasLoadedRecently());
  }

  private boolean wasLoadedRecently() {
    return everLoaded && time.nanos() - lastUsedAt() - config.modelKeepAlive().toNanos() < 0;
  }

  /**
   * The same.
   *
   * @param again whether it is cold although it was loaded a short while ago
   */
  void loadInBackground(AttemptException why, boolean again) {
    recordEviction();
    if (canLoad() && health.beginWarming(why, again)) {
      CompletableFuture<ProbeResult> unused = load();
    }
  }

  /** The model is found not to be in memory. A server that was not there has lost it by that. */
  void recordEviction() {
    boolean restarted = breaker.isTrippedAtOnce() && !breaker.isUpOrTrial();
    boolean pushedOut = !restarted && !breaker.isWarming() && wasLoadedRecently();
    if (pushedOut && evictionDetector.onEvicted(time.nanos())) {
      leaveToCalls();
    }
  }

  /** From now on calls load it, and none is to be kept away because its model was cold. */
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

  /** Returns whether the model can be loaded beforehand. */
  boolean canLoad() {
    return probes.isSupported(loadProbe) && time.nanos() - loadNotBefore >= 0 && !isLeftToCalls();
  }

  /** Returns whether loading it in the background would only push out what pushes it out. */
  boolean isLeftToCalls() {
    return evictionDetector.isLeftToCalls(time.nanos());
  }

  /**
   * Returns whether a load is what tells that the server is back: a token is worth it if it loads
   * at all.
   */
  boolean canConfirm() {
    return canLoad() && (!isTokenNeeded() || loadNanos != UNKNOWN);
  }

  /** Returns whether only a token can have the model loaded. */
  boolean isTokenNeeded() {
    return loadProbe == Probe.Kind.GENERATE_TOKEN;
  }

  /**
   * Returns whether an attempt that got no byte may have waited for a load. Where only a token can
   * tell, one is not asked for if others were served meanwhile, or if there was hardly time for a
   * byte.
   *
   * @param since when the attempt was begun
   */
  boolean mayBeUnloaded(long since) {
    if (!isTokenNeeded()) {
      return probes.isSupported(loadProbe);
    }
    long enough = Math.min(INSTANT.toNanos(), config.timeouts().firstToken().toNanos());
    return canLoad() && time.nanos() - since >= enough && !activity.hasServedSince(since);
  }

  /**
   * Returns an attempt got no byte in all its time. What a load that is over at once costs is
   * nothing.
   *
   * @return the load that finds out; null if there is none
   */
  @Nullable CompletableFuture<ProbeResult> onProbe(ProbeResult.Status status) {
    return onProbe(status, false);
  }

  private @Nullable CompletableFuture<ProbeResult> onProbe(
      ProbeResult.Status status, boolean alone) {
    if (status == ProbeResult.Status.MODEL_NOT_LOADED) {
      loadInBackground(AttemptException.of(FailureKind.MODEL_COLD, "the model is not in memory"));
    } else if (status == ProbeResult.Status.READY && canLoad()) {
      long since = time.nanos();
      CompletableFuture<ProbeResult> load = loadWithoutBlocking(alone);
      CompletableFuture<Void> unused =
          load.thenAccept(found -> onTokenResult(found, time.nanos() - since));
      return load;
    }
    return null;
  }

  /** A token costs a little: so long as they find no model to be loaded, they get rarer. */
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
   * Loads what the server lists: Ollama may list a model that is still being loaded, by a call or
   * by somebody else, so that only a load tells. If that is not over at once, nobody is to wait for
   * it.
   */
  CompletableFuture<ProbeResult> loadWithoutBlocking() {
    return loadWithoutBlocking(false);
  }

  /**
   * The same.
   *
   * @param alone whether nothing but the load says that the model may not be there, so that a
   *     second request has to say the same
   */
  private CompletableFuture<ProbeResult> loadWithoutBlocking(boolean alone) {
    boolean again = wasLoadedRecently();
    ModelLoad load = startLoad();
    watchForLateLoad(load, time.nanos(), again, alone);
    return load.completion();
  }

  private void watchForLateLoad(ModelLoad load, long since, boolean again, boolean alone) {
    Runnable late =
        () -> {
          if (!isRunning(load) || activity.hasServedSince(since)) {
            return;
          }
          if (alone && load.isRequestedOnce()) {
            requestLoadAgain(load);
            watchForLateLoad(load, since, again, false);
          } else {
            loadInBackground(lateFailure(), again);
          }
        };
    SlowLoadTask told = new SlowLoadTask(probes, time, time.nanos() + INSTANT.toNanos(), late);
    Future<?> clock = time.schedule(INSTANT.toNanos(), told);
    CompletableFuture<Void> unused = load.completion().thenRun(() -> cancel(clock));
  }

  private AttemptException lateFailure() {
    AttemptException otherwise = health.loadedDifferently();
    return otherwise != null
        ? otherwise
        : AttemptException.of(FailureKind.MODEL_COLD, "the model is still being loaded");
  }

  /** A clock's thread tells nobody. One that is late itself has found nothing out. */
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
   * Loads it, or joins the load that is under way.
   *
   * @return completed, never exceptionally, when that is over, and what follows from it done
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
      finishLoad(load, ProbeResult.of(ProbeResult.Status.UNAUTHORIZED, e));
    }
  }

  /** Once more, if a rate leaves room for that. */
  private void requestLoadAgain(ModelLoad load) {
    long left =
        EndpointCircuitBreaker.MODEL_LOAD_TIMEOUT.toNanos() - (time.nanos() - load.startedAt());
    try {
      countToken(time.nanos());
      load.onRequest(time.nanos());
      probes.probeInParallel(
          loadProbe, Duration.ofNanos(left), probeResult -> onLoadReply(load, probeResult));
    } catch (AttemptException spent) {
      // The first one is awaited.
    }
  }

  private void onLoadReply(ModelLoad load, ProbeResult probeResult) {
    switch (load.onReply(probeResult, isSettled(probeResult))) {
      case IGNORED -> {}
      case SPOILED -> repetition = runAfter(REPEAT_DELAY, ModelLoader::repeatLoad);
      case SETTLES -> onLoadSettled(load, probeResult);
    }
  }

  /** Returns whether the server itself has said how it is with the model. */
  private static boolean isSettled(ProbeResult probeResult) {
    AttemptException failure = probeResult.failure();
    return probeResult.status() == ProbeResult.Status.READY
        || isRejection(probeResult)
        || (failure != null && WRONG_SETTINGS.contains(failure.kind()));
  }

  /** Where a proxy lets nothing but OpenAI's API through to an Ollama, a token has to do. */
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

  /** Ends the wait of those who wait for a load that is to be asked for once more. */
  private void cancelRepetition() {
    cancel(repetition);
    ModelLoad load = runningLoad();
    if (load != null && load.isToBeRepeated()) {
      finishLoad(load, ProbeRunner.NOT_PROBED);
    }
  }

  /** A health check that finds the server well may show that the reply to a load is lost. */
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
      // What it was to bring about is done, or cannot be.
      probes.cancel(loadProbe);
    }
    lock.lock();
    try {
      currentLoad = null;
    } finally {
      lock.unlock();
    }
    try {
      onLoadResult(probeResult, load.duration(INSTANT.toNanos(), time.nanos()));
    } finally {
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
      watchForUnload(config.modelKeepAlive().toNanos());
    } else if (isRejection(probeResult)) {
      // Calls may be let through all the same: a proxy may know their path only.
      boolean ours = failure != null && failure.kind() == FailureKind.CLIENT_RATE_LIMITED;
      loadNotBefore = time.nanos() + (ours ? RECHECK_DELAY : REJECTED_DELAY);
      breaker.onModelLoaded();
    } else if (failure != null && failure.kind() == FailureKind.SERVER_BUSY) {
      onServerBusy(failure);
    } else if (failure != null && !closed) {
      onLoadFailed(failure, took);
    }
  }

  /** A call has its first piece: if the model was not in memory, it was the load. */
  void onServed() {
    if (breaker.isWarming()) {
      ModelLoad load = runningLoad();
      if (load == null) {
        onModelLoaded(true);
      } else {
        finishLoad(load, ProbeResult.READY);
      }
    } else if (!evictionDetector.isLoaded()) {
      evictionDetector.onLoaded(time.nanos(), true);
    }
  }

  private void onModelLoaded(boolean loaded) {
    evictionDetector.onLoaded(time.nanos(), loaded);
    loadedAt = time.nanos();
    everLoaded = true;
    unloaded = false;
    busyCount = 0;
    cancel(busyRetry);
    health.onModelLoaded();
    breaker.onModelLoaded();
  }

  /** Its queue for loads is full of calls, which have it loaded, or of a load of another model. */
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
      cancel(busyRetry);
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

  /** Calls that are answered outweigh what a load is told. */
  private boolean isServing(long took) {
    return activity.hasServedSince(time.nanos() - took - HealthChecker.RECENTLY_SERVED);
  }

  /** Its health check is well all the while, and must not bring it back at once. */
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
   * After an outage: loads the model, so that no call has to wait for it. A load that is refused
   * for what a call would be refused for sets the endpoint aside.
   *
   * @param certain whether it has to be there, or it is enough that nothing else is wrong
   * @param then if so
   * @return completed when that is done
   */
  CompletableFuture<Void> verifyLoaded(boolean certain, Runnable then) {
    return loadWithoutBlocking()
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
   * Loads the model after a look.
   *
   * @return completed when it is loaded, or cannot be
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
        ? loadWithoutBlocking()
        : CompletableFuture.completedFuture(ProbeRunner.NOT_PROBED);
  }

  /** From now on the model is held in memory, if that is wanted. */
  void keepWarm() {
    if (config.keepWarm() && canLoad() && keepingWarm.compareAndSet(false, true)) {
      scheduleKeepAlive();
    }
  }

  /** Twice in the time that the server would keep it. */
  private void scheduleKeepAlive() {
    long half = Math.min(config.modelKeepAlive().toNanos() / 2, KEEP_ALIVE_MAX);
    nextKeepAlive = runAfter(Math.max(KEEP_ALIVE_MIN, half), ModelLoader::refreshKeepAlive);
  }

  private @Nullable Future<?> runAfter(long nanos, Consumer<ModelLoader> task) {
    WeakTask tick = new WeakTask(new WeakReference<>(this), task);
    return closed ? null : time.schedule(nanos, tick);
  }

  /** Does not keep a client alive that was dropped without being closed. */
  private record WeakTask(WeakReference<ModelLoader> modelLoader, Consumer<ModelLoader> task)
      implements ScheduledTask {
    @Override
    public Purpose purpose() {
      return Purpose.HEALTH_CHECK;
    }

    @Override
    public void run() {
      ModelLoader due = modelLoader.get();
      if (due != null) {
        task.accept(due);
      }
    }
  }

  /**
   * When a load takes too long for a call, it has to be known before the call that the server has
   * dropped the model: Ollama may list one that a call has it load like one that is loaded.
   */
  private void watchForUnload(long delay) {
    boolean shown = probes.isSupported(Probe.Kind.MODEL_LOADED);
    if (shown && isLoadTooLong() && watching.compareAndSet(false, true)) {
      idleWatch = runAfter(delay, ModelLoader::checkForUnload);
    }
  }

  /** Its time has passed, and nobody has looked since. */
  private boolean isProbablyUnloaded() {
    long due = lastUsedAt() + config.modelKeepAlive().toNanos();
    boolean known = probes.isSupported(Probe.Kind.MODEL_LOADED);
    return known && time.nanos() - due > 0 && checkedAt - due < 0 && isLoadTooLong();
  }

  private long lastUsedAt() {
    return Math.max(activity.lastAnswer(), loadedAt);
  }

  private void checkForUnload() {
    watching.set(false);
    long left = lastUsedAt() + config.modelKeepAlive().plus(INSTANT).toNanos() - time.nanos();
    if (left > 0 || !breaker.isUpOrTrial()) {
      watchForUnload(left > 0 ? left : RECHECK_DELAY);
    } else {
      probes.probe(Probe.Kind.MODEL_LOADED, HealthChecker.TIMEOUT, this::onIdleProbe);
    }
  }

  private void onIdleProbe(ProbeResult probeResult) {
    checkedAt = time.nanos();
    unloaded = probeResult.status() == ProbeResult.Status.MODEL_NOT_LOADED;
    if (!unloaded) {
      watchForUnload(RECHECK_DELAY);
    }
  }

  /** A load of a model that is loaded only tells the server to keep it. */
  private void refreshKeepAlive() {
    scheduleKeepAlive();
    if (breaker.isUpOrTrial()) {
      health.check(this::onKeepAliveCheck);
    }
  }

  private void onKeepAliveCheck(HealthChecker.HealthCheckResult result) {
    onHealthCheck(result);
    AttemptException unreachable = result.unreachableFailure();
    if (unreachable == null) {
      if (!result.isContradicted()) {
        CompletableFuture<ProbeResult> unused = onProbe(result.status(), result.isHealthy());
      }
    } else if (!UnhealthyThreshold.isSilent(unreachable)) {
      CompletableFuture<HealthChecker.HealthCheckResult> unused =
          health.confirmUnreachable(result, health::markDown);
    }
  }

  /** Nobody is there to load it. */
  void abandonLoad(AttemptException failure) {
    health.markDown(failure);
    probes.cancel(loadProbe);
    cancelRepetition();
  }

  void close() {
    closed = true;
    cancel(nextKeepAlive);
    cancel(idleWatch);
    cancel(busyRetry);
    cancelRepetition();
  }

  private static void cancel(@Nullable Future<?> pending) {
    if (pending != null) {
      pending.cancel(false);
    }
  }
}
