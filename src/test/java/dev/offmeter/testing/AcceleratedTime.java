// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testing;

import dev.offmeter.internal.time.TimeSource;
import java.time.Duration;
import java.util.concurrent.Callable;
import java.util.concurrent.DelayQueue;
import java.util.concurrent.Delayed;
import java.util.concurrent.FutureTask;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Runs so many times as fast as the machine's time, and can jump; tasks that fall due run on a
 * thread of its own.
 */
public final class AcceleratedTime implements TimeSource {
  private static final long EARLY = Duration.ofDays(1).toNanos();

  private final int factor;
  private final long start = System.nanoTime();
  private final AtomicLong leapt = new AtomicLong();
  private final DelayQueue<Task<?>> due = new DelayQueue<>();
  private final Thread thread = new Thread(this::run, "test-timer");

  /** Creates a time that is {@code factor} times as fast. */
  public AcceleratedTime(int factor) {
    this.factor = factor;
    thread.setDaemon(true);
    thread.start();
  }

  @Override
  public long nanos() {
    return (System.nanoTime() - start) * factor + leapt.get();
  }

  @Override
  public ScheduledExecutorService timer() {
    return new Timer();
  }

  /** Keeps what is still due, so that a test sees it: it should have been cancelled. */
  @Override
  public void close() {}

  /** Jumps forward. */
  public void jump(Duration duration) {
    leapt.addAndGet(duration.toNanos());
    // The thread may sleep until the earliest task of before the jump: this one wakes it.
    due.add(new Task<>(() -> null, -EARLY));
  }

  /** Returns how many times as fast as the machine's time this is. */
  public int factor() {
    return factor;
  }

  /** Returns how many tasks are still due. */
  public int pendingTasks() {
    return (int) due.stream().filter(task -> !task.isDone()).count();
  }

  /** Stops the thread: nothing falls due any more. */
  public void stop() {
    thread.interrupt();
    due.clear();
  }

  private void run() {
    try {
      while (true) {
        due.take().run();
      }
    } catch (InterruptedException e) {
      // The test is over.
    }
  }

  private final class Task<V> extends FutureTask<V> implements ScheduledFuture<V> {
    private final long at;

    Task(Callable<V> work, long delay) {
      super(work);
      at = nanos() + delay;
    }

    @Override
    public boolean cancel(boolean interrupt) {
      boolean cancelled = super.cancel(interrupt);
      due.remove(this);
      return cancelled;
    }

    @Override
    public long getDelay(TimeUnit unit) {
      return unit.convert((at - nanos()) / factor, TimeUnit.NANOSECONDS);
    }

    @Override
    public int compareTo(Delayed other) {
      return Long.compare(at, ((Task<?>) other).at);
    }
  }

  private final class Timer extends OneShotTimer {
    @Override
    public <V> ScheduledFuture<V> schedule(Callable<V> work, long delay, TimeUnit unit) {
      Task<V> task = new Task<>(work, unit.toNanos(delay));
      due.add(task);
      return task;
    }
  }
}
