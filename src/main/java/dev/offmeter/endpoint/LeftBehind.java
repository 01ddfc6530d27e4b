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
 * The suppliers of one endpoint's credentials that have been asked and have not returned. One is
 * asked at a time: each that hangs costs a thread that nothing can end, and the next would hang
 * like it. The value is for the attempt that asked and no other, since it may be a signature or
 * hold a nonce; so where many ask a supplier that takes its time, each that returns lets one more
 * run beside the others, and a supplier of 200 ms serves 64 attempts in 1.4 s and not in 13. None
 * begins while one is {@link #OVERDUE}. Safe for use by many threads.
 */
final class LeftBehind {
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
  private final Map<Work<?>, Long> running = new LinkedHashMap<>();
  private int givenUp;
  private int waiting;
  private int sideBySide = 1;

  LeftBehind() {
    this(System::nanoTime);
  }

  LeftBehind(LongSupplier nanos) {
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

  private boolean mayBegin() {
    return running.isEmpty() || (givenUp == 0 && running.size() < sideBySide && !isOldest(OVERDUE));
  }

  private boolean isOldest(Duration age) {
    return !running.isEmpty()
        && nanos.getAsLong() - running.values().iterator().next() >= age.toNanos();
  }

  private void onGone(Work<?> work) {
    running.remove(work);
    if (running.isEmpty() && waiting == 0) {
      sideBySide = 1;
    }
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
     * @throws Aside.Unanswered if there is no hope that its turn will come
     */
    void awaitTurn(BooleanSupplier ended) throws InterruptedException {
      lock.lockInterruptibly();
      try {
        if (givenUp > 0 && isOldest(HOPELESS)) {
          throw new Aside.Unanswered();
        }
        waiting++;
        try {
          while (!ended.getAsBoolean() && !mayBegin()) {
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
        Long since = running.get(this);
        // One that returns is a sign that the next will.
        if (since != null && nanos.getAsLong() - since > QUICK.toNanos()) {
          sideBySide = Math.min(sideBySide + 1, running.size() + waiting);
        }
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
