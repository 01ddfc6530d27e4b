// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

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
 * Tracks the credential suppliers of one endpoint that were called and have not returned. One is
 * called at a time at first, because each that hangs costs a thread that nothing can end, and the
 * next would hang too. A value is for one attempt only, since it may be a signature or hold a
 * nonce; so where many call a slow supplier, each that returns lets one more run in parallel, and a
 * supplier of 200 ms serves 64 attempts in 1.4 s instead of 13. None begins while one is {@link
 * #OVERDUE}. Safe for use by many threads.
 */
final class UnreturnedTasks {
  /** A quicker supplier serves all in sequence: none needs to run in parallel. */
  static final Duration QUICK = Duration.ofMillis(10);

  /** Far longer than fetching a token takes. */
  static final Duration OVERDUE = Duration.ofSeconds(1);

  /** The age at which an abandoned supplier that has not returned fails the next ones at once. */
  static final Duration HOPELESS = Duration.ofSeconds(3);

  private final LongSupplier nanos;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();
  // The start of each task, the oldest first.
  private final Map<Task<?>, Long> running = new LinkedHashMap<>();
  private int unreturned;
  private int waiting;
  private int maxParallel = 1;

  UnreturnedTasks() {
    this(System::nanoTime);
  }

  UnreturnedTasks(LongSupplier nanos) {
    this.nanos = nanos;
  }

  /** Returns how many wait to begin. */
  int waiting() {
    lock.lock();
    try {
      return waiting;
    } finally {
      lock.unlock();
    }
  }

  /** Wakes those that wait, to check whether their calls have ended. */
  void onEnd() {
    lock.lock();
    try {
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  private boolean canStart() {
    return running.isEmpty()
        || (unreturned == 0 && running.size() < maxParallel && !isOldest(OVERDUE));
  }

  private boolean isOldest(Duration age) {
    return !running.isEmpty()
        && nanos.getAsLong() - running.values().iterator().next() >= age.toNanos();
  }

  private void onDone(Task<?> work) {
    running.remove(work);
    if (running.isEmpty() && waiting == 0) {
      maxParallel = 1;
    }
    changed.signalAll();
  }

  /** Waits until it may begin, and reports when it has returned. */
  final class Task<T> implements Callable<T> {
    private final Callable<T> work;
    private boolean started;
    private boolean abandoned;

    Task(Callable<T> work) {
      this.work = work;
    }

    /**
     * Waits until the work may begin.
     *
     * @throws CancellationException once the caller has {@code ended}
     * @throws OffloadedTask.EarlierTaskHangsException if the work would hardly ever begin
     */
    void awaitTurn(BooleanSupplier ended) throws InterruptedException {
      lock.lockInterruptibly();
      try {
        if (unreturned > 0 && isOldest(HOPELESS)) {
          throw new OffloadedTask.EarlierTaskHangsException();
        }
        waiting++;
        try {
          while (!ended.getAsBoolean() && !canStart()) {
            changed.await();
          }
        } finally {
          waiting--;
        }
        if (ended.getAsBoolean()) {
          throw new CancellationException("the call has ended");
        }
        running.put(this, nanos.getAsLong());
      } finally {
        lock.unlock();
      }
    }

    /**
     * Runs the work.
     *
     * @throws ExecutionException with the exception of the work, of which no method is called: it
     *     may throw again
     */
    @Override
    public T call() throws ExecutionException {
      if (!tryStart()) {
        throw new CancellationException("the caller no longer waits for it");
      }
      try {
        return work.call();
      } catch (Throwable e) {
        throw new ExecutionException("code of the application threw", e);
      } finally {
        onReturn();
      }
    }

    private boolean tryStart() {
      lock.lock();
      try {
        started = !abandoned;
        return started;
      } finally {
        lock.unlock();
      }
    }

    private void onReturn() {
      lock.lock();
      try {
        unreturned -= abandoned ? 1 : 0;
        Long since = running.get(this);
        // One that returns is a sign that the next will, too.
        if (since != null && nanos.getAsLong() - since > QUICK.toNanos()) {
          maxParallel = Math.min(maxParallel + 1, running.size() + waiting);
        }
        onDone(this);
      } finally {
        lock.unlock();
      }
    }

    /** Keeps the work from beginning; returns false if it has begun. */
    boolean tryWithdraw() {
      lock.lock();
      try {
        if (!started) {
          abandoned = true;
          onDone(this);
        }
        return !started;
      } finally {
        lock.unlock();
      }
    }

    /** Called when nobody waits for the work any more. */
    void onAbandoned() {
      lock.lock();
      try {
        if (!tryWithdraw() && !abandoned && running.containsKey(this)) {
          abandoned = true;
          unreturned++;
        }
      } finally {
        lock.unlock();
      }
    }
  }
}
