// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.FailureKind;
import dev.offmeter.Locality;
import dev.offmeter.endpoint.EndpointSpec;
import dev.offmeter.endpoint.Transport;
import dev.offmeter.observe.EndpointChange;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.observe.EndpointStatus;
import dev.offmeter.observe.Resilience4jRegistries;
import dev.offmeter.wire.Failure;
import io.github.resilience4j.bulkhead.BulkheadConfig;
import io.github.resilience4j.timelimiter.TimeLimiter;
import io.github.resilience4j.timelimiter.TimeLimiterConfig;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.Executor;
import java.util.function.Consumer;

/** What stands in front of one endpoint: its health, its places, its time limit. */
final class Gate {
  private final EndpointSpec spec;
  private final Transport.Opener opener;
  private final Breaker breaker;
  private final Places places;
  private final TimeLimiter timeLimiter;
  private final Activity activity;
  private final Latencies latencies = new Latencies();
  private final Health health;
  private final Rate rate;
  private final RefusalStreak refusals = new RefusalStreak();
  private final WaitingLine line;
  private final AdaptiveLimit adaptive;
  private final CutPrompts cutPrompts;
  private final LoadWaiters loadWaiters = new LoadWaiters();

  /** What the gates of one client share. */
  record Shared(
      Time time,
      Executor workers,
      WayBack wayBack,
      ProbePace pace,
      Resilience4jRegistries registries,
      WaitingLine line,
      Consumer<EndpointChange> changes) {}

  Gate(EndpointSpec spec, Transport.Opener opener, Shared shared) {
    this.spec = spec;
    this.opener = opener;
    this.line = shared.line();
    Time time = shared.time();
    Resilience4jRegistries registries = shared.registries();
    this.breaker =
        new Breaker(spec, time, wayBack(shared), registries, this::changed, shared.changes());
    this.places = new Places(registries.bulkheads().bulkhead(spec.name(), bulkheadConfig(spec)));
    this.timeLimiter = registries.timeLimiters().timeLimiter(spec.name(), limiterConfig(spec));
    this.activity = new Activity(spec.limits(), time.nanos());
    Probes probes = new Probes(opener, time, shared.workers());
    this.cutPrompts = new CutPrompts(spec.name(), probes);
    this.adaptive = new AdaptiveLimit(spec, time);
    this.rate = new Rate(spec.requestsPerMinute());
    this.health = new Health(spec, probes, breaker, activity, latencies, rate, time, shared.pace());
  }

  /** To ask somebody else's server again soon may be billed, or limited. */
  private WayBack wayBack(Shared shared) {
    WayBack wayBack = shared.wayBack();
    return spec.locality() == Locality.SELF_HOSTED
        ? wayBack
        : (why, inARow, asked) -> wayBack.pause(why, inARow, asked);
  }

  private void changed(EndpointChange change) {
    if (change.to() == EndpointState.DOWN || change.to() == EndpointState.WARMING) {
      // A server that was restarted meanwhile knows none of them.
      opener.dropIdleConnections();
    }
    health.changed(change);
    loadWaiters.changed(change);
    if (isShut()) {
      line.shut(this);
    }
  }

  private static BulkheadConfig bulkheadConfig(EndpointSpec spec) {
    return BulkheadConfig.custom()
        .maxConcurrentCalls(spec.maxConcurrent())
        .maxWaitDuration(Duration.ZERO)
        .writableStackTraceEnabled(false)
        .build();
  }

  private static TimeLimiterConfig limiterConfig(EndpointSpec spec) {
    return TimeLimiterConfig.custom().timeoutDuration(spec.limits().attempt()).build();
  }

  EndpointSpec spec() {
    return spec;
  }

  Transport.Opener opener() {
    return opener;
  }

  TimeLimiter timeLimiter() {
    return timeLimiter;
  }

  Activity activity() {
    return activity;
  }

  Latencies latencies() {
    return latencies;
  }

  Health health() {
    return health;
  }

  CutPrompts cutPrompts() {
    return cutPrompts;
  }

  RefusalStreak refusals() {
    return refusals;
  }

  Rate rate() {
    return rate;
  }

  /** Whether a call that came now would be turned away for the endpoint's health. */
  boolean isShut() {
    return breaker.isShut();
  }

  /**
   * Whether a call that came within a while could be asked there, as it stands now: the endpoint is
   * not known to be down, and neither full without a queue nor without a request in its minute.
   */
  boolean couldBeAsked(long now, long within) {
    return !isShut()
        && (!spec.maxWait().isZero() || (places.free() > 0 && !adaptive.isFull()))
        && rate.freeIn(now).toNanos() < within;
  }

  /** Whether its model is being loaded. */
  boolean isWarming() {
    return breaker.isWarming();
  }

  /** Who waits for that. */
  LoadWaiters loadWaiters() {
    return loadWaiters;
  }

  /** How it is. */
  EndpointStatus status() {
    Breaker.Standing now = breaker.standing();
    Failure why = now.why();
    return new EndpointStatus(
        spec.name(),
        spec.origin(),
        now.state(),
        activity.isAsked(),
        now.since(),
        now.lasting(),
        Optional.ofNullable(why).map(Failure::kind),
        why == null ? crowd() : why.message(),
        nextLook(now),
        places.taken(),
        latencies.summary());
  }

  private String crowd() {
    return adaptive.isSet()
        ? "overloaded: " + adaptive.limit() + " calls at a time are let in"
        : "";
  }

  private Optional<Duration> nextLook(Breaker.Standing now) {
    Optional<Duration> next = health.recovery().nextLook();
    return now.state() == EndpointState.DOWN
        ? next.or(() -> Optional.of(breaker.leftAlone()))
        : next.filter(look -> now.state() == EndpointState.WARMING);
  }

  /** What a call is told that is not let in for the endpoint's health. */
  Failure shut(String why) {
    return breaker.shut(why);
  }

  /**
   * When a call is let in again that was turned away, as far as that is known: the end of its pause
   * or of the minute whose requests are used up. Empty if it would be let in now.
   */
  Optional<Duration> opensIn(long now) {
    Duration wait = isShut() && !isWarming() ? leftAlone() : rate.freeIn(now);
    return wait.isZero() ? Optional.empty() : Optional.of(wait);
  }

  /** How long it will still be left alone. */
  Duration leftAlone() {
    return breaker.leftAlone();
  }

  /**
   * Lets a call in, which then also has a place.
   *
   * @throws Failure if the endpoint is down or full
   */
  Breaker.Permit enter() throws Failure {
    Breaker.Permit permit = breaker.admit();
    boolean placed = false;
    try {
      placed = takePlace();
    } finally {
      if (!placed) {
        permit.release();
      }
    }
    if (!placed) {
      throw full();
    }
    return permit;
  }

  private Failure full() {
    int most = adaptive.limit();
    return Failure.of(
        FailureKind.BULKHEAD_FULL,
        most < spec.maxConcurrent()
            ? "overloaded: as many calls are there as it was seen to serve in time, " + most
            : "all " + spec.maxConcurrent() + " places of maxConcurrent taken");
  }

  /**
   * Lets a call in that has its place already.
   *
   * @throws Failure if the endpoint is down
   */
  Breaker.Permit enterWithPlace() throws Failure {
    return breaker.admit();
  }

  /** A place that a caller waits for, without a look at the endpoint's health. */
  boolean takePlace() {
    if (adaptive.endIfCalm()) {
      line.placesAdded(this);
    }
    if (!adaptive.tryEnter()) {
      return false;
    }
    boolean placed = false;
    try {
      placed = places.take();
      return placed;
    } finally {
      if (!placed) {
        adaptive.leave();
      }
    }
  }

  void givePlaceBack() {
    adaptive.leave();
    places.giveBack();
  }

  /** Whether a place that is given back goes to nobody. */
  boolean isOverfull() {
    return adaptive.isOverfull();
  }

  /** A place went from one call straight to another. */
  void onHandedOn() {
    adaptive.onHandedOn();
  }

  AdaptiveLimit adaptive() {
    return adaptive;
  }

  /** The first piece of an answer has come; see {@link AdaptiveLimit#onBegun}. */
  void onBegun(AdaptiveLimit.Entry entry, long now) {
    if (adaptive.onBegun(entry, now)) {
      line.placesAdded(this);
    }
  }

  /** A call was served; see {@link AdaptiveLimit#onServed}. */
  void onServed(AdaptiveLimit.Entry entry, long now) {
    if (adaptive.onServed(entry, now)) {
      line.placesAdded(this);
    }
  }
}
