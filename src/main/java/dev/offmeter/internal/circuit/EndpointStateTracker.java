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
 * The states of one endpoint, one after the other, and the telling of each change. Each begins a
 * new era. Changed under its breaker's lock; read by any thread.
 */
final class EndpointStateTracker {
  private final String name;
  private final String origin;
  private final MonotonicClock clock;
  private final AtomicInteger generation = new AtomicInteger();

  /** Apart, because a listener may block. */
  private final SerialEventDispatcher ownEvents;

  private final SerialEventDispatcher events;
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

  /** How long it has been so. */
  Duration stateDuration() {
    return Duration.between(since, clock.instant());
  }

  /** A number that no earlier state had. */
  int generation() {
    return generation.get();
  }

  /** To be told by the next {@link #deliver}. */
  void enter(EndpointState to, @Nullable AttemptException why, Duration leftAlone) {
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
            leftAlone);
    ownEvents.enqueue(change);
    events.enqueue(change);
  }

  /** The state is what it was, for a reason that is known only now; to be told likewise. */
  void announce(AttemptException why, Duration leftAlone) {
    events.enqueue(
        new EndpointChange(name, origin, state, state, why.kind(), why.message(), leftAlone));
  }

  /** Tells what has changed. No lock may be held. */
  void deliver() {
    ownEvents.deliver();
    events.deliver();
  }

  /** The same, once {@code first} is done, whoever else may be about to tell it. */
  void deliverAfter(Runnable first) {
    events.deliverAfter(
        () -> {
          first.run();
          ownEvents.deliver();
        });
  }
}
