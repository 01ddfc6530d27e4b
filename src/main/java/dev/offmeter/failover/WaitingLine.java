// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import java.util.List;
import java.util.Queue;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.jspecify.annotations.Nullable;

/**
 * Calls that found every gate full, in order of arrival. A place that is given up goes straight to
 * the first call that wants it, so that none that comes later can take it.
 */
final class WaitingLine {
  private final Queue<Waiting> line = new ConcurrentLinkedQueue<>();
  private final Time time;

  WaitingLine(Time time) {
    this.time = time;
  }

  /**
   * The place that a call had at {@code gate} is free. One that joined the line just before the
   * place was given back found it taken, and nobody else would tell it.
   */
  void placeFreed(Gate gate) {
    do {
      if (!gate.isOverfull() && handOn(gate)) {
        return;
      }
      gate.givePlaceBack();
    } while (isWanted(gate) && gate.takePlace());
  }

  private boolean handOn(Gate gate) {
    for (Waiting waiting : line) {
      if (waiting.wanted.contains(gate) && waiting.place.complete(gate)) {
        line.remove(waiting);
        gate.onHandedOn();
        return true;
      }
    }
    return false;
  }

  /** There are more places there than before: those who wait for one are the first to have it. */
  void placesAdded(Gate gate) {
    while (isWanted(gate) && gate.takePlace()) {
      placeFreed(gate);
    }
  }

  /** The endpoint is not asked any more: who waits for it, and for no other, need not. */
  void shut(Gate gate) {
    for (Waiting waiting : line) {
      if (waiting.wanted.contains(gate)) {
        waiting.endsIfInVain();
      }
    }
  }

  private boolean isWanted(Gate gate) {
    return line.stream().anyMatch(w -> !w.place.isDone() && w.wanted.contains(gate));
  }

  /**
   * Waits for a place at any of the gates.
   *
   * @return the gate, where the caller now has a place; null when time ran out, the call was
   *     cancelled or none of them is asked any more
   */
  @Nullable Gate placeAtAnyOf(List<Gate> wanted, long nanos, Cancellation cancellation) {
    return placeAtAnyOf(wanted, nanos, cancellation, new CompletableFuture<>());
  }

  /** The same, and null too when {@code event} is completed. */
  @Nullable Gate placeAtAnyOf(
      List<Gate> wanted, long nanos, Cancellation cancellation, CompletableFuture<?> event) {
    Waiting waiting = new Waiting(List.copyOf(wanted));
    CompletableFuture<Void> unused = event.thenRun(() -> waiting.place.cancel(false));
    line.add(waiting);
    waiting.endsIfInVain();
    takeFreePlace(waiting);
    cancellation.waitsFor(waiting.place);
    Future<?> clock = time.after(nanos, () -> waiting.place.cancel(false));
    if (clock == null) {
      // Nothing is waited for without a clock.
      waiting.place.cancel(false);
    }
    try {
      return waiting.place.get();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return given(waiting);
    } catch (CancellationException e) {
      return null;
    } catch (ExecutionException e) {
      throw new IllegalStateException("a place is given or withdrawn, never failed", e);
    } finally {
      if (clock != null) {
        clock.cancel(false);
      }
      line.remove(waiting);
    }
  }

  /** A place may have become free between the look that found none and the joining of the line. */
  private void takeFreePlace(Waiting waiting) {
    for (Gate gate : waiting.wanted) {
      if (gate.takePlace()) {
        if (!waiting.place.complete(gate)) {
          placeFreed(gate);
        }
        return;
      }
    }
  }

  /** A place that was given at the same moment is returned to the line. */
  private @Nullable Gate given(Waiting waiting) {
    if (!waiting.place.cancel(false) && !waiting.place.isCancelled()) {
      placeFreed(waiting.place.join());
    }
    return null;
  }

  private static final class Waiting {
    final List<Gate> wanted;
    final CompletableFuture<Gate> place = new CompletableFuture<>();

    Waiting(List<Gate> wanted) {
      this.wanted = wanted;
    }

    void endsIfInVain() {
      if (wanted.stream().allMatch(Gate::isShut)) {
        place.cancel(false);
      }
    }
  }
}
