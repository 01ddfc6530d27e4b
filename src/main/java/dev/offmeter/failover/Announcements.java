// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

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
final class Announcements {
  private final Consumer<EndpointChange> listener;
  private final Queue<EndpointChange> untold = new ConcurrentLinkedQueue<>();
  private final ReentrantLock telling = new ReentrantLock();

  Announcements(Consumer<EndpointChange> listener) {
    this.listener = listener;
  }

  /** To be told by the next {@link #tell}; may be called with any lock held. */
  void add(EndpointChange change) {
    untold.add(change);
  }

  /** Tells what is to be told. No lock may be held: a listener may do anything. */
  void tell() {
    while (!untold.isEmpty() && mayTell()) {
      tellWithLock(() -> {});
    }
  }

  /** Does {@code first} before anybody is told, on whatever thread. */
  void tellAfter(Runnable first) {
    if (mayTell()) {
      tellWithLock(first);
    } else {
      first.run();
    }
    tell();
  }

  /** A listener that brings about a change itself hears of it when all have heard of the first. */
  private boolean mayTell() {
    return !telling.isHeldByCurrentThread() && telling.tryLock();
  }

  private void tellWithLock(Runnable first) {
    try {
      first.run();
      for (EndpointChange change = untold.poll(); change != null; change = untold.poll()) {
        listener.accept(change);
      }
    } finally {
      telling.unlock();
    }
  }
}
