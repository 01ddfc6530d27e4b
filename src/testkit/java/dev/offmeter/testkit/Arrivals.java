// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testkit;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Keeps requests in the order of their arrival. Safe for use by many threads.
 *
 * @param <T> a request
 */
final class Arrivals<T> {
  private static final Duration PATIENCE = Duration.ofSeconds(10);

  private final String whose;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition arrived = lock.newCondition();
  private final List<T> requests = new ArrayList<>();

  /** Creates an empty list; {@code whose} is who is asked, for messages. */
  Arrivals(String whose) {
    this.whose = whose;
  }

  void add(T request) {
    lock.lock();
    try {
      requests.add(request);
      arrived.signalAll();
    } finally {
      lock.unlock();
    }
  }

  void clear() {
    lock.lock();
    try {
      requests.clear();
    } finally {
      lock.unlock();
    }
  }

  List<T> all() {
    lock.lock();
    try {
      return List.copyOf(requests);
    } finally {
      lock.unlock();
    }
  }

  /** Waits for a number of requests and returns the last of them. */
  T await(int count) throws InterruptedException {
    if (count < 1) {
      throw new IllegalArgumentException("requests must be at least 1, was " + count);
    }
    lock.lock();
    try {
      long left = PATIENCE.toNanos();
      while (requests.size() < count) {
        if (left <= 0) {
          throw new AssertionError(
              whose + " was asked " + requests.size() + " times in 10 s, not " + count);
        }
        left = arrived.awaitNanos(left);
      }
      return requests.get(count - 1);
    } finally {
      lock.unlock();
    }
  }
}
