// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testkit;

import java.util.ArrayDeque;
import java.util.Deque;

/** Lets calls in, all at once or one after the other in the order of their arrival. */
final class Slots {
  private final Deque<Object> queue = new ArrayDeque<>();
  private boolean one;

  synchronized void one(boolean one) {
    this.one = one;
  }

  synchronized boolean isOne() {
    return one;
  }

  synchronized void enqueue(Object call) {
    queue.add(call);
  }

  synchronized boolean isIn(Object call) {
    return !one || queue.peekFirst() == call;
  }

  synchronized void leave(Object call) {
    queue.remove(call);
  }
}
