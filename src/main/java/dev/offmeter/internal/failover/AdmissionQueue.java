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
 * Calls that found every gate full, in order of arrival. A place that is given up goes straight to
 * the first call that wants it, so that none that comes later can take it.
 */
final class AdmissionQueue {
  private final Queue<Waiter> waiters = new ConcurrentLinkedQueue<>();
  private final TimeSource time;

  AdmissionQueue(TimeSource time) {
    this.time = time;
  }

  /**
   * The place that a call had at {@code gate} is free. One that joined the line just before the
   * place was given back found it taken, and nobody else would tell it.
   */
  void release(GuardedEndpoint endpoint) {
    do {
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

  /** There are more places there than before: those who wait for one are the first to have it. */
  void onSlotsAdded(GuardedEndpoint endpoint) {
    while (hasWaiterFor(endpoint) && endpoint.tryAcquireSlot()) {
      release(endpoint);
    }
  }

  /** The endpoint is not asked any more: who waits for it, and for no other, need not. */
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

  /** The same, and null too when {@code event} is completed. */
  @Nullable GuardedEndpoint awaitSlot(
      List<GuardedEndpoint> wanted,
      long nanos,
      CancellationToken token,
      CompletableFuture<?> event) {
    Waiter waiter = new Waiter(List.copyOf(wanted));
    CompletableFuture<Void> unused = event.thenRun(() -> waiter.slot.cancel(false));
    // In the queue before it looks: a slot that is freed in between is then handed to it.
    waiters.add(waiter);
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
    if (token.reason() != null) {
      // It was given at the moment at which the call was cancelled, which has no use for it.
      release(endpoint);
      return null;
    }
    return endpoint;
  }

  /** A place may have become free between the look that found none and the joining of the line. */
  private void takeFreeSlot(Waiter waiter) {
    for (GuardedEndpoint endpoint : waiter.endpoints) {
      if (endpoint.tryAcquireSlot()) {
        if (!waiter.slot.complete(endpoint)) {
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
