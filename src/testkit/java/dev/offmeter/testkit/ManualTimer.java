// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testkit;

import dev.offmeter.internal.time.ScheduledTask;
import dev.offmeter.internal.time.ScheduledTask.Purpose;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.AbstractExecutorService;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Delayed;
import java.util.concurrent.Executors;
import java.util.concurrent.FutureTask;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/** Runs tasks when a test moves the time over their moments, on the test's thread. */
final class ManualTimer extends AbstractExecutorService implements ScheduledExecutorService {
  private final List<Task<?>> tasks = new ArrayList<>();

  /** Only ever grows: two threads may move the time at once. */
  private final AtomicLong now = new AtomicLong();

  long nanos() {
    return now.get();
  }

  void advance(long nanos) {
    long end = now.get() + nanos;
    for (Task<?> task = nextDue(end); task != null; task = nextDue(end)) {
      passTo(task.due);
      task.letLoopbackEndFirst();
      task.run();
      task.awaitWhatItEnds();
    }
    passTo(end);
  }

  private void passTo(long moment) {
    now.accumulateAndGet(moment, Math::max);
  }

  private @Nullable Task<?> nextDue(long end) {
    synchronized (tasks) {
      tasks.removeIf(Task::isDone);
      Task<?> next = tasks.stream().min(Comparator.comparingLong(task -> task.due)).orElse(null);
      if (next == null || next.due > end) {
        return null;
      }
      tasks.remove(next);
      return next;
    }
  }

  private final class Task<V> extends FutureTask<V> implements ScheduledFuture<V> {
    /** The time of the machine that a reply on its way is given before a health check ends. */
    private static final Duration LOOPBACK = Duration.ofMillis(300);

    private static final Duration CONSEQUENCES = Duration.ofSeconds(10);

    private final long due;
    private final @Nullable Purpose purpose;
    private final CountDownLatch ended = new CountDownLatch(1);

    Task(Callable<V> work, long due, @Nullable Purpose purpose) {
      super(work);
      this.due = due;
      this.purpose = purpose;
    }

    /** Waits for a reply that was on its way when the test moved the time. */
    void letLoopbackEndFirst() {
      if (purpose == Purpose.HEALTH_CHECK_LIMIT || purpose == Purpose.LOAD_LIMIT) {
        awaitEnd(LOOPBACK);
      }
    }

    /** Waits until what follows from an ended check is done, so that it comes at its moment. */
    void awaitWhatItEnds() {
      if (purpose == Purpose.HEALTH_CHECK_LIMIT) {
        awaitEnd(CONSEQUENCES);
      }
    }

    private void awaitEnd(Duration atMost) {
      try {
        boolean unused = ended.await(atMost.toMillis(), TimeUnit.MILLISECONDS);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }

    /** Runs after everything else that a check does, whether its limit has passed or not. */
    @Override
    public boolean cancel(boolean interrupt) {
      ended.countDown();
      return super.cancel(interrupt);
    }

    @Override
    public long getDelay(TimeUnit unit) {
      return unit.convert(due - now.get(), TimeUnit.NANOSECONDS);
    }

    @Override
    public int compareTo(Delayed other) {
      return Long.compare(getDelay(TimeUnit.NANOSECONDS), other.getDelay(TimeUnit.NANOSECONDS));
    }
  }

  @Override
  public <V> ScheduledFuture<V> schedule(Callable<V> work, long delay, TimeUnit unit) {
    return schedule(work, delay, unit, null);
  }

  @Override
  public ScheduledFuture<?> schedule(Runnable work, long delay, TimeUnit unit) {
    Purpose purpose = work instanceof ScheduledTask task ? task.purpose() : null;
    return schedule(Executors.callable(work), delay, unit, purpose);
  }

  private <V> ScheduledFuture<V> schedule(
      Callable<V> work, long delay, TimeUnit unit, @Nullable Purpose purpose) {
    Task<V> task = new Task<>(work, now.get() + unit.toNanos(delay), purpose);
    synchronized (tasks) {
      tasks.add(task);
    }
    return task;
  }

  @Override
  public void execute(Runnable work) {
    ScheduledFuture<?> unused = schedule(work, 0, TimeUnit.NANOSECONDS);
  }

  @Override
  public ScheduledFuture<?> scheduleAtFixedRate(
      Runnable work, long initialDelay, long period, TimeUnit unit) {
    throw new UnsupportedOperationException("the library repeats nothing");
  }

  @Override
  public ScheduledFuture<?> scheduleWithFixedDelay(
      Runnable work, long initialDelay, long delay, TimeUnit unit) {
    throw new UnsupportedOperationException("the library repeats nothing");
  }

  @Override
  public void shutdown() {}

  @Override
  public List<Runnable> shutdownNow() {
    return List.of();
  }

  @Override
  public boolean isShutdown() {
    return false;
  }

  @Override
  public boolean isTerminated() {
    return false;
  }

  @Override
  public boolean awaitTermination(long timeout, TimeUnit unit) {
    return true;
  }
}
