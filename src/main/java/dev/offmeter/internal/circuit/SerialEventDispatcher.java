// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.circuit;

import dev.offmeter.observe.EndpointChange;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;

/**
 * Delivers state changes to a listener in order, by one thread at a time. No thread waits for
 * another: one that finds a delivery running leaves its change to it. Safe for use by many threads.
 */
final class SerialEventDispatcher {
  private final Consumer<EndpointChange> listener;
  private final Queue<EndpointChange> pending = new ConcurrentLinkedQueue<>();
  private final ReentrantLock deliveryLock = new ReentrantLock();

  SerialEventDispatcher(Consumer<EndpointChange> listener) {
    this.listener = listener;
  }

  /** Adds a change for the next {@link #deliver}; may be called with any lock held. */
  void enqueue(EndpointChange change) {
    pending.add(change);
  }

  /** Delivers what is pending. The caller must hold no lock, because a listener may do anything. */
  void deliver() {
    // The condition is checked again after the lock is released: a change added by a thread that
    // found it taken, after the holder's last poll, would stay undelivered.
    while (!pending.isEmpty() && tryLock()) {
      deliverLocked(() -> {});
    }
  }

  /**
   * Runs {@code first} before the pending changes are delivered, if no delivery is running; else
   * runs it at once, because what it does must not wait for a listener of another thread.
   */
  void deliverAfter(Runnable first) {
    if (tryLock()) {
      deliverLocked(first);
    } else {
      first.run();
    }
    deliver();
  }

  /**
   * Takes the delivery lock. A listener that causes a change itself does not get it again, so all
   * listeners see the first change before the second.
   */
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
