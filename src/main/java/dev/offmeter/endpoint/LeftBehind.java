// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.endpoint;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;
import java.util.function.LongSupplier;

/**
 * The work of one endpoint (a supplier of a credential, a DNS lookup) that has not returned. While
 * some of it was given up, no more is begun: each would cost a thread that nothing can end, and
 * would hang like the one before. Before anybody gives up, a few begin side by side, and more only
 * as these return; none begins while one is {@link #OVERDUE}. Safe for use by many threads.
 */
final class LeftBehind {
  /** So many may be left behind by callers that come at once. */
  static final int SIDE_BY_SIDE = 4;

  /** Far longer than a lookup or a token takes. */
  static final Duration OVERDUE = Duration.ofSeconds(1);

  private final LongSupplier nanos;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();
  // When each began, the oldest first.
  private final Map<Work<?>, Long> running = new LinkedHashMap<>();
  private int givenUp;
  private int waiting;
  private int further;

  LeftBehind() {
    this(System::nanoTime);
  }

  LeftBehind(LongSupplier nanos) {
    this.nanos = nanos;
  }

  /** Whether some work was given up and has not returned. */
  boolean isAny() {
    lock.lock();
    try {
      return givenUp > 0;
    } finally {
      lock.unlock();
    }
  }

  /** How many wait for their turn. */
  int waiting() {
    lock.lock();
    try {
      return waiting;
    } finally {
      lock.unlock();
    }
  }

  /** Those that wait look again whether they have ended. */
  void onEnd() {
    lock.lock();
    try {
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  private boolean mayBegin() {
    if (running.isEmpty()) {
      return true;
    }
    long oldest = running.values().iterator().next();
    boolean late = nanos.getAsLong() - oldest >= OVERDUE.toNanos();
    return givenUp == 0 && !late && (running.size() < SIDE_BY_SIDE || further > 0);
  }

  private void onGone(Work<?> work) {
    running.remove(work);
    changed.signalAll();
  }

  /** Work that waits for its turn, and tells when it has returned. */
  final class Work<T> implements Callable<T> {
    private final Callable<T> work;
    private boolean begun;
    private boolean abandoned;

    Work(Callable<T> work) {
      this.work = work;
    }

    /**
     * Waits until it may begin.
     *
     * @throws CancellationException once its caller has {@code ended}
     */
    void awaitTurn(BooleanSupplier ended) throws InterruptedException {
      lock.lockInterruptibly();
      try {
        waiting++;
        try {
          while (!ended.getAsBoolean() && !mayBegin()) {
            changed.await();
          }
        } finally {
          waiting--;
          further = Math.min(further, waiting + 1);
        }
        if (ended.getAsBoolean()) {
          throw new CancellationException("the call has ended");
        }
        if (running.size() >= SIDE_BY_SIDE) {
          further--;
        }
        running.put(this, nanos.getAsLong());
      } finally {
        lock.unlock();
      }
    }

    /**
     * Runs it.
     *
     * @throws ExecutionException with what it threw, of which nothing is asked: it may throw again
     */
    @Override
    public T call() throws ExecutionException {
      if (!begin()) {
        throw new CancellationException("nobody waits for it");
      }
      try {
        return work.call();
      } catch (Throwable e) {
        throw new ExecutionException("foreign code threw", e);
      } finally {
        onReturn();
      }
    }

    private boolean begin() {
      lock.lock();
      try {
        begun = !abandoned;
        return begun;
      } finally {
        lock.unlock();
      }
    }

    private void onReturn() {
      lock.lock();
      try {
        givenUp -= abandoned ? 1 : 0;
        // One that returns is a sign that the next will.
        further = Math.min(further + SIDE_BY_SIDE - 1, waiting);
        onGone(this);
      } finally {
        lock.unlock();
      }
    }

    /** Keeps it from beginning; false if it has begun. */
    boolean renounce() {
      lock.lock();
      try {
        if (!begun) {
          abandoned = true;
          onGone(this);
        }
        return !begun;
      } finally {
        lock.unlock();
      }
    }

    /** Nobody waits for it any more. */
    void onGivenUp() {
      lock.lock();
      try {
        if (!renounce() && !abandoned && running.containsKey(this)) {
          abandoned = true;
          givenUp++;
        }
      } finally {
        lock.unlock();
      }
    }
  }
}
