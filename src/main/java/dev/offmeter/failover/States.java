// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.endpoint.EndpointSpec;
import dev.offmeter.observe.EndpointChange;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.wire.Failure;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The states of one endpoint, one after the other, and the telling of each change. Each begins a
 * new era. Changed under its breaker's lock; read by any thread.
 */
final class States {
  private final EndpointSpec spec;
  private final SteadyClock clock;
  private final AtomicInteger era = new AtomicInteger();

  /** Apart, because a listener may block. */
  private final Announcements own;

  private final Announcements announcements;
  private volatile EndpointState state = EndpointState.UP;
  private volatile Instant since;

  States(
      EndpointSpec spec,
      SteadyClock clock,
      Consumer<EndpointChange> own,
      Consumer<EndpointChange> changes) {
    this.spec = spec;
    this.clock = clock;
    this.own = new Announcements(own);
    this.announcements = new Announcements(changes);
    this.since = clock.instant();
  }

  EndpointState now() {
    return state;
  }

  boolean isDown() {
    return state == EndpointState.DOWN;
  }

  Instant since() {
    return since;
  }

  /** How long it has been so. */
  Duration lasting() {
    return Duration.between(since, clock.instant());
  }

  /** A number that no earlier state had. */
  int era() {
    return era.get();
  }

  /** To be told by the next {@link #tell}. */
  void enter(EndpointState to, @Nullable Failure why, Duration leftAlone) {
    era.incrementAndGet();
    EndpointState from = state;
    state = to;
    since = clock.instant();
    EndpointChange change =
        new EndpointChange(
            spec.name(),
            spec.origin(),
            from,
            to,
            why == null ? null : why.kind(),
            why == null ? "" : why.message(),
            leftAlone);
    own.add(change);
    announcements.add(change);
  }

  /** The state is what it was, for a reason that is known only now; to be told likewise. */
  void tellOf(Failure why, Duration leftAlone) {
    announcements.add(
        new EndpointChange(
            spec.name(), spec.origin(), state, state, why.kind(), why.message(), leftAlone));
  }

  /** Tells what has changed. No lock may be held. */
  void tell() {
    own.tell();
    announcements.tell();
  }

  /** The same, once {@code first} is done, whoever else may be about to tell it. */
  void tellAfter(Runnable first) {
    announcements.tellAfter(
        () -> {
          first.run();
          own.tell();
        });
  }
}
