// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.circuit;

import dev.offmeter.observe.EndpointChange;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;

/**
 * Changes of state on their way to the listeners, who are told in order, by one thread at a time,
 * while none has to wait: whoever finds another telling leaves its own change to it. Safe for use
 * by many threads.
 */
final class SerialEventDispatcher {
  private final Consumer<EndpointChange> listener;
  private final Queue<EndpointChange> pending = new ConcurrentLinkedQueue<>();
  private final ReentrantLock deliveryLock = new ReentrantLock();

  SerialEventDispatcher(Consumer<EndpointChange> listener) {
    this.listener = listener;
  }

  /** To be told by the next {@link #deliver}; may be called with any lock held. */
  void enqueue(EndpointChange change) {
    pending.add(change);
  }

  /** Tells what is to be told. No lock may be held: a listener may do anything. */
  void deliver() {
    while (!pending.isEmpty() && tryLock()) {
      deliverLocked(() -> {});
    }
  }

  /** Does {@code first} before anybody is told, on whatever thread. */
  void deliverAfter(Runnable first) {
    if (tryLock()) {
      deliverLocked(first);
    } else {
      first.run();
    }
    deliver();
  }

  /** A listener that brings about a change itself hears of it when all have heard of the first. */
  private boolean tryLock() {
    return !deliveryLock.isHeldByCurrentThread() && deliveryLock.tryLock();
  }

  private void deliverLocked(Runnable first) {
    try {
      first.run();
      for (EndpointChange change = pending.poll(); change != null; change = pending.poll()) {
        listener.accept(change);
      }
    } finally {
      deliveryLock.unlock();
    }
  }
}
