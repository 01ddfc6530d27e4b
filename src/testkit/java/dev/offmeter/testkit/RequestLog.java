// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testkit;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/** Keeps what a server was asked. Safe for use by many threads. */
final class RequestLog {
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition arrived = lock.newCondition();
  private final List<FakeRequest> calls = new ArrayList<>();
  private final List<FakeRequest> probes = new ArrayList<>();

  void addCall(FakeRequest call) {
    lock.lock();
    try {
      calls.add(call);
      arrived.signalAll();
    } finally {
      lock.unlock();
    }
  }

  void addProbe(FakeRequest probe) {
    lock.lock();
    try {
      probes.add(probe);
    } finally {
      lock.unlock();
    }
  }

  void clear() {
    lock.lock();
    try {
      calls.clear();
      probes.clear();
    } finally {
      lock.unlock();
    }
  }

  List<FakeRequest> calls() {
    return copy(calls);
  }

  List<FakeRequest> probes() {
    return copy(probes);
  }

  private List<FakeRequest> copy(List<FakeRequest> requests) {
    lock.lock();
    try {
      return List.copyOf(requests);
    } finally {
      lock.unlock();
    }
  }

  /** Waits for a number of calls and returns the last of them. */
  FakeRequest await(int count, long time, TimeUnit unit) throws InterruptedException {
    lock.lock();
    try {
      for (long left = unit.toNanos(time); calls.size() < count; ) {
        if (left <= 0) {
          throw new AssertionError(
              "the server was asked " + calls.size() + " times, not " + count + " times");
        }
        left = arrived.awaitNanos(left);
      }
      return calls.get(count - 1);
    } finally {
      lock.unlock();
    }
  }
}
