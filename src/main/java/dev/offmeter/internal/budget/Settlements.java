// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.budget;

import dev.offmeter.internal.UserCode;
import dev.offmeter.internal.time.TimeSource;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Settles reservations. What the store does not take is kept, and tried again until it does: its
 * reservation stands until then or until its lease ends, so a budget has rather too little room
 * meanwhile than too much. Safe for use by many threads.
 */
final class Settlements {
  /** Some megabytes. Beyond it, what is not settled is lost to the budgets. */
  private static final int MOST = 10_000;

  private static final Duration FIRST_DELAY = Duration.ofSeconds(1);
  private static final Duration LONGEST_DELAY = Duration.ofMinutes(1);

  private static final Logger LOG = LoggerFactory.getLogger("dev.offmeter");

  private final LimitedStore store;
  private final TimeSource time;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();

  // Guarded by the lock.
  private final Deque<Settlement> failed = new ArrayDeque<>();
  private int running;
  private @Nullable Future<?> scheduled;
  private boolean closed;
  private Duration delay = FIRST_DELAY;
  private long lost;

  Settlements(LimitedStore store, TimeSource time) {
    this.store = store;
    this.time = time;
  }

  /**
   * Settles, and waits for it as long as a call may.
   *
   * @param onSettled runs when the store has taken it
   */
  void settle(Settlement settlement, StoreWait wait, Runnable onSettled) {
    addRunning(1);
    AtomicBoolean settled = new AtomicBoolean();
    boolean begun =
        store.tryRun(
            () -> settleOnce(settlement, settled),
            () -> {
              addRunning(-1);
              if (settled.get()) {
                onSettled.run();
              }
            },
            wait);
    if (!begun) {
      addRunning(-1);
      settleLater(settlement);
    }
  }

  private void settleOnce(Settlement settlement, AtomicBoolean settled) {
    settled.set(store.trySettleHere(settlement));
    if (!settled.get()) {
      settleLater(settlement);
    }
  }

  /** Adds to the settlements for which {@link #close} waits. */
  void addRunning(int more) {
    lock.lock();
    try {
      running += more;
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /** Settles when the store works again. */
  void settleLater(Settlement settlement) {
    lock.lock();
    try {
      if (failed.size() >= MOST || closed) {
        lost++;
        warnIf(lost == 1);
      } else {
        failed.add(settlement);
        schedule();
      }
    } finally {
      lock.unlock();
    }
  }

  private static void warnIf(boolean first) {
    if (first) {
      UserCode.ignore(
          () ->
              LOG.warn(
                  "a settlement is lost, because the budget store has not taken {} before or the"
                      + " client is closed; there may be more",
                  MOST));
    }
  }

  private void schedule() {
    if (scheduled == null) {
      scheduled = time.schedule(delay.toNanos(), this::retry);
    }
  }

  private void retry() {
    addRunning(1);
    if (!store.execute(this::settleFailed)) {
      onRetried(null);
    }
  }

  private void settleFailed() {
    Settlement next = takeFailed();
    while (next != null && store.trySettleHere(next)) {
      next = takeFailed();
    }
    onRetried(next);
  }

  /** Called with the settlement that has failed again, if one has. */
  private void onRetried(@Nullable Settlement next) {
    lock.lock();
    try {
      if (next != null) {
        failed.addFirst(next);
      }
      running--;
      changed.signalAll();
      scheduleNext();
    } finally {
      lock.unlock();
    }
  }

  private @Nullable Settlement takeFailed() {
    lock.lock();
    try {
      return failed.poll();
    } finally {
      lock.unlock();
    }
  }

  private void scheduleNext() {
    Duration longer = delay.multipliedBy(2);
    boolean worked = failed.isEmpty();
    delay = worked ? FIRST_DELAY : longer.compareTo(LONGEST_DELAY) < 0 ? longer : LONGEST_DELAY;
    scheduled = null;
    if (!worked && !closed) {
      schedule();
    }
  }

  /** Waits for those under way, tries the failed once more, and reports what is lost. */
  void close(Duration limit) {
    if (retryBeforeEnd() && !store.execute(this::settleFailed)) {
      onRetried(null);
    }
    long left = awaitRunning(limit);
    if (left > 0) {
      UserCode.ignore(
          () -> LOG.warn("{} settlements are lost: the budget store has not taken them", left));
    }
  }

  private boolean retryBeforeEnd() {
    lock.lock();
    try {
      closed = true;
      TimeSource.cancel(scheduled);
      running += failed.isEmpty() ? 0 : 1;
      return !failed.isEmpty();
    } finally {
      lock.unlock();
    }
  }

  private long awaitRunning(Duration limit) {
    long nanos = limit.toNanos();
    lock.lock();
    try {
      while (running > 0 && nanos > 0) {
        nanos = changed.awaitNanos(nanos);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      lock.unlock();
    }
    return left();
  }

  private long left() {
    lock.lock();
    try {
      return running + failed.size() + lost;
    } finally {
      lock.unlock();
    }
  }
}
