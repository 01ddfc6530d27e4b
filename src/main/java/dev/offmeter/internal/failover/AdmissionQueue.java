// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import dev.offmeter.internal.time.CancellableWait;
import dev.offmeter.internal.time.CancellationToken;
import dev.offmeter.internal.time.TimeSource;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.jspecify.annotations.Nullable;

/**
 * Holds the calls that found endpoints full, in order of arrival. A bulkhead slot that is released
 * goes straight to the first call that waits for it, so that none that comes later can take it.
 * Safe for use by many threads.
 */
final class AdmissionQueue {
  // No lock: each waiter's future decides, as a slot, the clock and the caller race to complete it.
  private final Queue<Waiter> waiters = new ConcurrentLinkedQueue<>();
  private final TimeSource time;

  AdmissionQueue(TimeSource time) {
    this.time = time;
  }

  /**
   * Releases a slot: hands it to the first call that waits for it, or frees it. A call that joined
   * the queue just before the slot was freed found it taken, so the queue is checked once more.
   */
  void release(GuardedEndpoint endpoint) {
    do {
      // Over its limit, an endpoint hands none on: only so does the number of its calls fall.
      if (!endpoint.isOverLimit() && tryHandOver(endpoint)) {
        return;
      }
      endpoint.releaseSlot();
    } while (hasWaiterFor(endpoint) && endpoint.tryAcquireSlot());
  }

  private boolean tryHandOver(GuardedEndpoint endpoint) {
    for (Waiter waiter : waiters) {
      if (waiter.endpoints.contains(endpoint) && waiter.slot.complete(endpoint)) {
        waiters.remove(waiter);
        endpoint.onSlotHandedOver();
        return true;
      }
    }
    return false;
  }

  /** Called when an endpoint has more slots than before: the calls in the queue get them first. */
  void onSlotsAdded(GuardedEndpoint endpoint) {
    while (hasWaiterFor(endpoint) && endpoint.tryAcquireSlot()) {
      release(endpoint);
    }
  }

  /** Called when an endpoint goes down: ends the wait of those that wait for no other. */
  void onCircuitOpened(GuardedEndpoint endpoint) {
    for (Waiter waiter : waiters) {
      if (waiter.endpoints.contains(endpoint)) {
        waiter.cancelIfHopeless();
      }
    }
  }

  private boolean hasWaiterFor(GuardedEndpoint endpoint) {
    return waiters.stream().anyMatch(w -> !w.slot.isDone() && w.endpoints.contains(endpoint));
  }

  /**
   * Waits for a slot at any of these endpoints.
   *
   * @return the endpoint at which the caller now has a slot; null when time ran out, the call was
   *     cancelled or none of them is asked any more
   */
  @Nullable GuardedEndpoint awaitSlot(
      List<GuardedEndpoint> wanted, long nanos, CancellationToken token) {
    return awaitSlot(wanted, nanos, token, new CompletableFuture<>());
  }

  /**
   * Waits for a slot at any of these endpoints, but no longer than until {@code event} is
   * completed.
   */
  @Nullable GuardedEndpoint awaitSlot(
      List<GuardedEndpoint> wanted,
      long nanos,
      CancellationToken token,
      CompletableFuture<?> event) {
    Waiter waiter = new Waiter(List.copyOf(wanted));
    CompletableFuture<Void> unused = event.thenRun(() -> waiter.slot.cancel(false));
    // In the queue before it tries: a slot that is freed in between is then handed to it.
    waiters.add(waiter);
    // The circuits may have opened before this was in the queue to be told.
    waiter.cancelIfHopeless();
    takeFreeSlot(waiter);
    try {
      CancellableWait.await(time, waiter.slot, nanos, token);
    } finally {
      waiters.remove(waiter);
    }
    if (waiter.slot.isCancelled()) {
      return null;
    }
    GuardedEndpoint endpoint = waiter.slot.join();
    if (token.recordInterrupt() != null) {
      // The slot was handed over just as the call was cancelled, which has no use for it.
      release(endpoint);
      return null;
    }
    return endpoint;
  }

  /** A slot may have been freed after the call found none and before it joined the queue. */
  private void takeFreeSlot(Waiter waiter) {
    for (GuardedEndpoint endpoint : waiter.endpoints) {
      if (endpoint.tryAcquireSlot()) {
        if (!waiter.slot.complete(endpoint)) {
          // Another slot was handed over first, or the wait is over.
          release(endpoint);
        }
        return;
      }
    }
  }

  private static final class Waiter {
    final List<GuardedEndpoint> endpoints;
    final CompletableFuture<GuardedEndpoint> slot = new CompletableFuture<>();

    Waiter(List<GuardedEndpoint> endpoints) {
      this.endpoints = endpoints;
    }

    void cancelIfHopeless() {
      if (endpoints.stream().allMatch(GuardedEndpoint::isCircuitOpen)) {
        slot.cancel(false);
      }
    }
  }
}
