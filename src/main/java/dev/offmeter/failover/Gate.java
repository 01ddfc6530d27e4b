// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.FailureKind;
import dev.offmeter.endpoint.EndpointSpec;
import dev.offmeter.endpoint.Transport;
import dev.offmeter.observe.EndpointChange;
import dev.offmeter.wire.Failure;
import io.github.resilience4j.bulkhead.Bulkhead;
import io.github.resilience4j.bulkhead.BulkheadConfig;
import io.github.resilience4j.timelimiter.TimeLimiter;
import io.github.resilience4j.timelimiter.TimeLimiterConfig;
import java.time.Duration;
import java.util.function.Consumer;

/** What stands in front of one endpoint: its health, its places, its time limit. */
final class Gate {
  private final EndpointSpec spec;
  private final Transport.Opener opener;
  private final Breaker breaker;
  private final Bulkhead bulkhead;
  private final TimeLimiter timeLimiter;
  private final Activity activity;
  private final Rate rate;

  Gate(
      EndpointSpec spec,
      Transport.Opener opener,
      Time time,
      WayBack wayBack,
      Gates registries,
      Consumer<EndpointChange> changes) {
    this.spec = spec;
    this.opener = opener;
    this.breaker = new Breaker(spec.name(), time, wayBack, registries, changes);
    this.bulkhead = registries.bulkheads().bulkhead(spec.name(), bulkheadConfig(spec));
    this.timeLimiter = registries.timeLimiters().timeLimiter(spec.name(), limiterConfig(spec));
    this.activity = new Activity(spec.limits(), time.nanos());
    this.rate = new Rate(spec.requestsPerMinute());
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

  Rate rate() {
    return rate;
  }

  /** Whether a call that came now would be turned away for the endpoint's health. */
  boolean isShut() {
    return breaker.isShut();
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
      throw Failure.of(
          FailureKind.GATE_FULL, "all " + spec.maxConcurrent() + " places of maxConcurrent taken");
    }
    return permit;
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
    return bulkhead.tryAcquirePermission();
  }

  void givePlaceBack() {
    bulkhead.onComplete();
  }
}
