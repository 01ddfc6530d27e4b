// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.circuit;

import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.time.MonotonicClock;
import dev.offmeter.observe.EndpointChange;
import dev.offmeter.observe.EndpointState;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Holds the state of one endpoint and notifies each change. Each state is a new generation. Changed
 * under the circuit breaker's lock; read by any thread.
 */
final class EndpointStateTracker {
  private final String name;
  private final String origin;
  private final MonotonicClock clock;

  /**
   * Separate from {@link #events}, because a listener of the application may block, and the
   * client's own reaction must not wait for it.
   */
  private final SerialEventDispatcher ownEvents;

  private final SerialEventDispatcher events;

  // Written under the breaker's lock, or by a thread of the application that changes its
  // Resilience4j breaker; read by any.
  private final AtomicInteger generation = new AtomicInteger();
  private volatile EndpointState state = EndpointState.UP;
  private volatile Instant since;

  EndpointStateTracker(
      String name,
      String origin,
      MonotonicClock clock,
      Consumer<EndpointChange> ownEvents,
      Consumer<EndpointChange> changes) {
    this.name = name;
    this.origin = origin;
    this.clock = clock;
    this.ownEvents = new SerialEventDispatcher(ownEvents);
    this.events = new SerialEventDispatcher(changes);
    this.since = clock.instant();
  }

  EndpointState current() {
    return state;
  }

  boolean isDown() {
    return state == EndpointState.DOWN;
  }

  Instant since() {
    return since;
  }

  /** Returns how long the endpoint has been in its state. */
  Duration stateDuration() {
    return Duration.between(since, clock.instant());
  }

  /** Returns the number of the current state, which no earlier state had. */
  int generation() {
    return generation.get();
  }

  /** Enters a state; the next {@link #deliver} notifies it. */
  void enter(EndpointState to, @Nullable AttemptException why, Duration backoff) {
    generation.incrementAndGet();
    EndpointState from = state;
    state = to;
    since = clock.instant();
    EndpointChange change =
        new EndpointChange(
            name,
            origin,
            from,
            to,
            why == null ? null : why.kind(),
            why == null ? "" : why.message(),
            backoff);
    ownEvents.enqueue(change);
    events.enqueue(change);
  }

  /** Replaces the reason of the current state; the next {@link #deliver} notifies it. */
  void announce(AttemptException why, Duration backoff) {
    events.enqueue(
        new EndpointChange(name, origin, state, state, why.kind(), why.message(), backoff));
  }

  /** Notifies the changes. The caller must hold no lock. */
  void deliver() {
    ownEvents.deliver();
    events.deliver();
  }

  /**
   * Runs {@code first}, then notifies the changes. A delivery that another thread has begun does
   * not wait for {@code first}.
   */
  void deliverAfter(Runnable first) {
    events.deliverAfter(
        () -> {
          first.run();
          ownEvents.deliver();
        });
  }
}
