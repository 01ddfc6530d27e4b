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
 * The suppliers of one endpoint's credentials that have been asked and have not returned. One is
 * asked at a time: each that hangs costs a thread that nothing can end, and the next would hang
 * like it. The value is for the attempt that asked and no other, since it may be a signature or
 * hold a nonce; so where many ask a supplier that takes its time, each that returns lets one more
 * run beside the others, and a supplier of 200 ms serves 64 attempts in 1.4 s and not in 13. None
 * begins while one is {@link #OVERDUE}. Safe for use by many threads.
 */
final class UnreturnedTasks {
  /** One that is quicker serves all in turn: nobody need run beside it. */
  static final Duration QUICK = Duration.ofMillis(10);

  /** Far longer than a token takes. */
  static final Duration OVERDUE = Duration.ofSeconds(1);

  /** Of what was given up and has not returned for so long, no answer is waited for. */
  static final Duration HOPELESS = Duration.ofSeconds(3);

  private final LongSupplier nanos;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();
  // When each began, the oldest first.
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

  /** Work that waits for its turn, and tells when it has returned. */
  final class Task<T> implements Callable<T> {
    private final Callable<T> work;
    private boolean started;
    private boolean abandoned;

    Task(Callable<T> work) {
      this.work = work;
    }

    /**
     * Waits until it may begin.
     *
     * @throws CancellationException once its caller has {@code ended}
     * @throws OffloadedTask.EarlierTaskHangsException if there is no hope that its turn will come
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
     * Runs it.
     *
     * @throws ExecutionException with what it threw, of which nothing is asked: it may throw again
     */
    @Override
    public T call() throws ExecutionException {
      if (!tryStart()) {
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
        // One that returns is a sign that the next will.
        if (since != null && nanos.getAsLong() - since > QUICK.toNanos()) {
          maxParallel = Math.min(maxParallel + 1, running.size() + waiting);
        }
        onDone(this);
      } finally {
        lock.unlock();
      }
    }

    /** Keeps it from beginning; false if it has begun. */
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

    /** Nobody waits for it any more. */
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
