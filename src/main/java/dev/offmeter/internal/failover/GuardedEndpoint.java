// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import dev.offmeter.ChatRequest;
import dev.offmeter.FailureKind;
import dev.offmeter.Locality;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.circuit.BackoffPolicy;
import dev.offmeter.internal.circuit.EndpointBulkhead;
import dev.offmeter.internal.circuit.EndpointCircuitBreaker;
import dev.offmeter.internal.circuit.Permit;
import dev.offmeter.internal.circuit.RequestRateLimiter;
import dev.offmeter.internal.health.EndpointActivity;
import dev.offmeter.internal.health.HealthCheckInterval;
import dev.offmeter.internal.health.HealthMonitor;
import dev.offmeter.internal.health.LatencyWindow;
import dev.offmeter.internal.health.ModelLoadWaiters;
import dev.offmeter.internal.health.ProbeRunner;
import dev.offmeter.internal.health.PromptTruncationDetector;
import dev.offmeter.internal.health.QueueDetector;
import dev.offmeter.internal.health.RefusalStreak;
import dev.offmeter.internal.http.EndpointConfig;
import dev.offmeter.internal.http.Transport;
import dev.offmeter.internal.time.TimeSource;
import dev.offmeter.internal.wire.ModelTraits;
import dev.offmeter.observe.EndpointChange;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.observe.EndpointStatus;
import dev.offmeter.observe.Explanation;
import dev.offmeter.observe.QueueAlert;
import dev.offmeter.observe.Resilience4jRegistries;
import io.github.resilience4j.bulkhead.BulkheadConfig;
import io.github.resilience4j.timelimiter.TimeLimiter;
import io.github.resilience4j.timelimiter.TimeLimiterConfig;
import java.time.Duration;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.Executor;
import java.util.function.Consumer;

/** Guards one endpoint: its circuit breaker, health, bulkhead slots, rate and time limiter. */
final class GuardedEndpoint {
  private final EndpointConfig config;
  private final Transport.ExchangeFactory exchangeFactory;
  private final EndpointCircuitBreaker breaker;
  private final EndpointBulkhead bulkhead;
  private final TimeLimiter timeLimiter;
  private final EndpointActivity activity;
  private final LatencyWindow latencies = new LatencyWindow();
  private final HealthMonitor health;
  private final RequestRateLimiter rateLimiter;
  private final RefusalStreak refusalStreak = new RefusalStreak();
  private final AdmissionQueue admissionQueue;
  private final AdaptiveConcurrencyLimit adaptiveLimit;
  private final PromptTruncationDetector truncationDetector;
  private final QueueDetector queueDetector;
  private final ModelLoadWaiters loadWaiters = new ModelLoadWaiters();

  /** True if the last half-open trial was hedged. Written by the one call that makes the trial. */
  private volatile boolean trialHedged;

  /** Holds what the endpoints of one client share. */
  record SharedResources(
      TimeSource time,
      Executor workers,
      BackoffPolicy backoffPolicy,
      HealthCheckInterval checkInterval,
      Resilience4jRegistries registries,
      AdmissionQueue admissionQueue,
      Consumer<EndpointChange> changeListener,
      Consumer<QueueAlert> queueListener) {}

  GuardedEndpoint(
      EndpointConfig config, Transport.ExchangeFactory exchangeFactory, SharedResources shared) {
    this.config = config;
    this.exchangeFactory = exchangeFactory;
    this.admissionQueue = shared.admissionQueue();
    TimeSource time = shared.time();
    Resilience4jRegistries registries = shared.registries();
    this.breaker =
        new EndpointCircuitBreaker(
            config.name(),
            config.origin(),
            time,
            backoffPolicy(shared),
            kind -> FailurePolicy.of(kind).effect(),
            registries,
            this::onStateChanged,
            shared.changeListener());
    this.bulkhead =
        new EndpointBulkhead(
            registries.bulkheads().bulkhead(config.name(), bulkheadConfig(config)));
    this.timeLimiter = registries.timeLimiters().timeLimiter(config.name(), limiterConfig(config));
    this.activity = new EndpointActivity(config.timeouts(), time.nanos());
    ProbeRunner probes = new ProbeRunner(exchangeFactory, time, shared.workers());
    this.truncationDetector = new PromptTruncationDetector(config.name(), probes);
    this.queueDetector =
        new QueueDetector(
            config.name(), config.origin(), config.locality(), shared.queueListener());
    this.adaptiveLimit = new AdaptiveConcurrencyLimit(config, time);
    this.rateLimiter = new RequestRateLimiter(config.requestsPerMinute());
    this.health =
        new HealthMonitor(
            config,
            probes,
            breaker,
            activity,
            latencies,
            rateLimiter,
            time,
            shared.checkInterval());
  }

  /**
   * Returns the policy; a managed server's is without the short back-off, as calls may be billed.
   */
  private BackoffPolicy backoffPolicy(SharedResources shared) {
    BackoffPolicy backoffPolicy = shared.backoffPolicy();
    return config.locality() == Locality.SELF_HOSTED
        ? backoffPolicy
        : (effect, inARow, asked) -> backoffPolicy.backoff(effect, inARow, asked);
  }

  private void onStateChanged(EndpointChange change) {
    if (change.to() == EndpointState.DOWN || change.to() == EndpointState.WARMING) {
      // A server that was restarted meanwhile knows none of them.
      exchangeFactory.dropIdleConnections();
    }
    if (change.to() == EndpointState.UP) {
      trialHedged = false;
    }
    health.onStateChanged(change);
    loadWaiters.onStateChanged(change);
    if (isCircuitOpen()) {
      admissionQueue.onCircuitOpened(this);
    }
  }

  private static BulkheadConfig bulkheadConfig(EndpointConfig config) {
    return BulkheadConfig.custom()
        .maxConcurrentCalls(config.maxConcurrent())
        .maxWaitDuration(Duration.ZERO)
        .writableStackTraceEnabled(false)
        .build();
  }

  private static TimeLimiterConfig limiterConfig(EndpointConfig config) {
    return TimeLimiterConfig.custom().timeoutDuration(config.timeouts().attempt()).build();
  }

  EndpointConfig config() {
    return config;
  }

  Transport.ExchangeFactory exchangeFactory() {
    return exchangeFactory;
  }

  TimeLimiter timeLimiter() {
    return timeLimiter;
  }

  EndpointActivity activity() {
    return activity;
  }

  LatencyWindow latencies() {
    return latencies;
  }

  QueueDetector queueDetector() {
    return queueDetector;
  }

  HealthMonitor health() {
    return health;
  }

  PromptTruncationDetector truncationDetector() {
    return truncationDetector;
  }

  RefusalStreak refusalStreak() {
    return refusalStreak;
  }

  RequestRateLimiter rateLimiter() {
    return rateLimiter;
  }

  /** Returns whether the endpoint may be asked, and can serve the request as far as is known. */
  boolean isSuitable(ChatRequest request) {
    return LocalityPolicy.isPermitted(request, config)
        && CapabilityPolicy.refusal(request, config, health.inquiry().known()) == null;
  }

  /**
   * Rejects a request that may not be sent here, or that is known not to be served.
   *
   * @throws AttemptException if it is one
   */
  void requireSuitable(ChatRequest request) throws AttemptException {
    LocalityPolicy.requirePermitted(request, config);
    AttemptException refusal = CapabilityPolicy.refusal(request, config, health.inquiry().known());
    if (refusal != null) {
      throw refusal;
    }
  }

  /** Explains what a call with this request would do here now, and changes nothing. */
  Explanation.Entry explain(ChatRequest request, long now) {
    try {
      requireSuitable(request);
      boolean waits = checkAdmission();
      rateLimiter.check(now);
      return entry(
          Optional.empty(),
          waits ? "waits up to " + config.maxWait().toMillis() + " ms for a slot" : "");
    } catch (AttemptException refusal) {
      return entry(Optional.of(refusal.kind()), refusal.message());
    }
  }

  private Explanation.Entry entry(Optional<FailureKind> skippedFor, String message) {
    return new Explanation.Entry(config.name(), config.model(), skippedFor, message);
  }

  /**
   * Checks, in the order of {@link #acquire()}, whether a call that came now would be admitted.
   *
   * @return whether it would have to wait for a slot first
   * @throws AttemptException if it would not be
   */
  private boolean checkAdmission() throws AttemptException {
    breaker.checkAdmission();
    if (health.modelLoader().wouldLoadBeforeCall()) {
      throw circuitOpenFailure("its idle model has probably been dropped, and is loaded first");
    }
    boolean full = bulkhead.available() <= 0 || adaptiveLimit.wouldReject();
    if (full && config.maxWait().isZero()) {
      throw bulkheadFullFailure();
    }
    return full;
  }

  /** Returns whether a back-off keeps calls away now. */
  boolean isCircuitOpen() {
    return breaker.isOpen();
  }

  /**
   * Returns whether a call that came within a while could be admitted, as it stands now: the
   * endpoint is not in back-off, and neither full without a queue nor out of requests for its
   * minute.
   */
  boolean isEligible(long now, long within) {
    return !isCircuitOpen()
        && (!config.maxWait().isZero() || (bulkhead.available() > 0 && !adaptiveLimit.isFull()))
        && rateLimiter.timeUntilFree(now).toNanos() < within;
  }

  /** Returns whether the endpoint's model is being loaded. */
  boolean isWarming() {
    return breaker.isWarming();
  }

  /** Returns the calls that wait for the model. */
  ModelLoadWaiters loadWaiters() {
    return loadWaiters;
  }

  /** Returns the state of the endpoint. */
  EndpointStatus status() {
    ModelTraits traits = health.inquiry().known();
    EndpointCircuitBreaker.Snapshot snapshot = breaker.snapshot();
    AttemptException why = snapshot.lastFailure();
    return new EndpointStatus(
        config.name(),
        config.origin(),
        snapshot.state(),
        activity.isUsed(),
        snapshot.since(),
        snapshot.stateDuration(),
        Optional.ofNullable(why).map(AttemptException::kind),
        why == null ? overloadMessage() : why.message(),
        nextHealthCheck(snapshot),
        bulkhead.taken(),
        latencies.summary(),
        traits.capabilities(),
        traits.lacking(),
        traits.contextLength() == ModelTraits.UNKNOWN_LENGTH
            ? OptionalInt.empty()
            : OptionalInt.of(traits.contextLength()),
        queueDetector.current());
  }

  private String overloadMessage() {
    return adaptiveLimit.isActive()
        ? "overloaded: " + adaptiveLimit.limit() + " calls at a time are admitted"
        : "";
  }

  private Optional<Duration> nextHealthCheck(EndpointCircuitBreaker.Snapshot snapshot) {
    Optional<Duration> next = health.recovery().nextHealthCheck();
    return snapshot.state() == EndpointState.DOWN
        ? next.or(() -> Optional.of(breaker.remainingBackoff()))
        : next.filter(delay -> snapshot.state() == EndpointState.WARMING);
  }

  /** Returns the failure of a call that the circuit breaker rejects. */
  AttemptException circuitOpenFailure(String why) {
    return breaker.circuitOpenFailure(why);
  }

  /**
   * Returns how long it takes, as far as is known, until a call is admitted: to the end of the
   * back-off or of the minute whose requests are used up. Empty if one would be admitted now.
   */
  Optional<Duration> timeUntilAdmission(long now) {
    Duration wait =
        isCircuitOpen() && !isWarming() ? remainingBackoff() : rateLimiter.timeUntilFree(now);
    return wait.isZero() ? Optional.empty() : Optional.of(wait);
  }

  /** Returns whether the last half-open trial was hedged; false once the endpoint is UP. */
  boolean wasTrialHedged() {
    return trialHedged;
  }

  /** Notes whether the half-open trial that begins is hedged. */
  void onTrialStarted(boolean hedged) {
    trialHedged = hedged;
  }

  /** Returns what is left of the back-off; zero if there is none. */
  Duration remainingBackoff() {
    return breaker.remainingBackoff();
  }

  /**
   * Admits a call, if the circuit breaker permits it and a bulkhead slot is free.
   *
   * @throws AttemptException if the endpoint is down or full
   */
  Admission acquire() throws AttemptException {
    // The permit first: a call that is refused for the endpoint's health must not take, even for a
    // moment, a slot that another could use.
    Permit permit = breaker.acquirePermit();
    boolean admitted = false;
    try {
      Admission admission = new Admission(this, permit);
      admitted = tryAcquireSlot();
      if (!admitted) {
        throw bulkheadFullFailure();
      }
      return admission;
    } finally {
      if (!admitted) {
        permit.release();
      }
    }
  }

  /**
   * Admits a call that was handed its slot by the {@link AdmissionQueue}. Passes the slot on to the
   * next in the queue if the call is refused.
   *
   * @throws AttemptException if the endpoint is down
   */
  Admission acquireWithSlot() throws AttemptException {
    Permit permit = null;
    boolean admitted = false;
    try {
      permit = breaker.acquirePermit();
      Admission admission = new Admission(this, permit);
      admitted = true;
      return admission;
    } finally {
      if (!admitted) {
        if (permit != null) {
          permit.release();
        }
        passOnSlot();
      }
    }
  }

  /** Hands a slot that was acquired to the next call in the queue, or frees it. */
  void passOnSlot() {
    admissionQueue.release(this);
  }

  private AttemptException bulkheadFullFailure() {
    int most = adaptiveLimit.limit();
    return AttemptException.of(
        FailureKind.BULKHEAD_FULL,
        most < config.maxConcurrent()
            ? "overloaded: as many calls are in flight as it was seen to serve in time, " + most
            : "all " + config.maxConcurrent() + " slots of maxConcurrent are taken");
  }

  /** Takes a free slot, if there is one, whatever the health of the endpoint. */
  boolean tryAcquireSlot() {
    if (adaptiveLimit.endIfCalm()) {
      admissionQueue.onSlotsAdded(this);
    }
    if (!adaptiveLimit.tryAcquire()) {
      return false;
    }
    boolean placed = false;
    try {
      placed = bulkhead.tryAcquire();
      return placed;
    } finally {
      if (!placed) {
        adaptiveLimit.release();
      }
    }
  }

  void releaseSlot() {
    adaptiveLimit.release();
    bulkhead.release();
  }

  /** Returns whether a released slot is to be handed to nobody. */
  boolean isOverLimit() {
    return adaptiveLimit.isOverLimit();
  }

  /** Called when a slot goes from one call straight to another. */
  void onSlotHandedOver() {
    adaptiveLimit.onSlotHandedOver();
  }

  AdaptiveConcurrencyLimit adaptiveLimit() {
    return adaptiveLimit;
  }

  /** The first piece of an answer has come; see {@link AdaptiveConcurrencyLimit#onAnswerBegun}. */
  void onAnswerBegun(AdaptiveConcurrencyLimit.EntrySnapshot entry, long now) {
    if (adaptiveLimit.onAnswerBegun(entry, now)) {
      admissionQueue.onSlotsAdded(this);
    }
  }

  /** A call was served; see {@link AdaptiveConcurrencyLimit#onServed}. */
  void onServed(AdaptiveConcurrencyLimit.EntrySnapshot entry, long now) {
    if (adaptiveLimit.onServed(entry, now)) {
      admissionQueue.onSlotsAdded(this);
    }
  }
}
