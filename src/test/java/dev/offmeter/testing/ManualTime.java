// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testing;

import dev.offmeter.internal.time.ScheduledTask;
import dev.offmeter.internal.time.ScheduledTask.Purpose;
import dev.offmeter.internal.time.TimeSource;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Delayed;
import java.util.concurrent.Executors;
import java.util.concurrent.FutureTask;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/** Stands still until a test advances it; what falls due runs on the test's thread. */
public final class ManualTime implements TimeSource {
  private final List<Task<?>> tasks = new ArrayList<>();
  private final Set<Task<?>> checks = ConcurrentHashMap.newKeySet();

  /**
   * Only ever grows: a listener may advance time on the call's thread while the test's thread, on
   * its own way to an earlier moment, waits for what a task has ended.
   */
  private final AtomicLong now;

  private volatile Instant start = Instant.parse("2026-11-18T12:00:00Z");

  /** Starts at zero. */
  public ManualTime() {
    this(0);
  }

  /** Starts at any moment: the machine's own may be negative. */
  public ManualTime(long nanos) {
    now = new AtomicLong(nanos);
  }

  @Override
  public long nanos() {
    return now.get();
  }

  @Override
  public Instant instant() {
    return start.plusNanos(now.get());
  }

  /** Sets the time of day at which this time began, which is in the middle of a day else. */
  public ManualTime startAt(Instant moment) {
    start = moment;
    return this;
  }

  @Override
  public ScheduledExecutorService timer() {
    return new Timer();
  }

  /** Keeps what is still due, so that a test sees it: it should have been cancelled. */
  @Override
  public void close() {}

  /** Advances time, and runs each task at its own moment. */
  public void advance(Duration duration) {
    long end = now.get() + duration.toNanos();
    for (Task<?> task = nextDue(end); task != null; task = nextDue(end)) {
      passTo(task.due);
      task.letLoopbackEndFirst();
      task.run();
      task.awaitWhatItEnds();
    }
    passTo(end);
  }

  private void passTo(long moment) {
    // Compared by difference: nanoseconds may pass the greatest number on their way.
    now.accumulateAndGet(moment, (before, then) -> then - before > 0 ? then : before);
  }

  /**
   * Simulates a process that stands still: what falls due meanwhile runs late, when time next
   * advances.
   */
  public void suspendProcess(Duration duration) {
    now.addAndGet(duration.toNanos());
  }

  /**
   * Returns how many tasks are still due, except those of health checks and of calls not yet begun.
   */
  public int pendingTasks() {
    synchronized (tasks) {
      return (int)
          tasks.stream()
              .filter(task -> !task.isDone() && !task.isOfHealth() && !task.endsAHandover())
              .count();
    }
  }

  /** Returns whether a health check or a load is running, or its consequences are. */
  public boolean isProbing() {
    return !checks.isEmpty();
  }

  /** Returns whether a health check is running, or its consequences are; a load does not count. */
  public boolean isHealthChecking() {
    return checks.stream().anyMatch(Task::endsAShortHealthCheck);
  }

  /** Returns whether no task at all is still due. */
  public boolean isEmpty() {
    synchronized (tasks) {
      return tasks.stream().allMatch(Task::isDone);
    }
  }

  private Task<?> nextDue(long end) {
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
    /**
     * The time, of the machine, that a loopback connection is given before a health check times
     * out.
     */
    private static final Duration LOOPBACK = Duration.ofMillis(300);

    /** The longest limit of a health check; a load may take much longer. */
    private static final long CHECK_LIMIT = Duration.ofSeconds(2).toNanos();

    private final long due;
    private final long limit;
    private final @Nullable Purpose purpose;
    private final CountDownLatch ended = new CountDownLatch(1);

    Task(Callable<V> work, long limit, @Nullable Purpose purpose) {
      super(work);
      this.due = now.get() + limit;
      this.limit = limit;
      this.purpose = purpose;
    }

    boolean isOfHealth() {
      return endsAHealthCheck() || purpose == Purpose.HEALTH_CHECK;
    }

    boolean endsAHandover() {
      return purpose == Purpose.HANDOFF_LIMIT;
    }

    private boolean endsAHealthCheck() {
      return purpose == Purpose.HEALTH_CHECK_LIMIT;
    }

    boolean endsAShortHealthCheck() {
      return endsAHealthCheck() && limit <= CHECK_LIMIT;
    }

    private boolean findsALoadLate() {
      return purpose == Purpose.LOAD_LIMIT;
    }

    /** Waits for a reply that was on its way when the test advanced time. */
    void letLoopbackEndFirst() {
      if (endsAHealthCheck() || findsALoadLate()) {
        awaitEnd(LOOPBACK);
      }
    }

    /**
     * Waits until the consequences of a cancelled check are done, so that they come at its moment
     * and not when a thread gets to them.
     */
    void awaitWhatItEnds() {
      if (endsAHealthCheck()) {
        awaitEnd(Duration.ofSeconds(10));
      }
    }

    private void awaitEnd(Duration atMost) {
      try {
        boolean unused = ended.await(atMost.toMillis(), TimeUnit.MILLISECONDS);
      } catch (InterruptedException e) {
        throw new AssertionError(e);
      }
    }

    /** Runs after everything else that a check does, whether its limit has passed or not. */
    @Override
    public boolean cancel(boolean interrupt) {
      checks.remove(this);
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

  private final class Timer extends OneShotTimer {
    @Override
    public <V> ScheduledFuture<V> schedule(Callable<V> work, long delay, TimeUnit unit) {
      return schedule(work, delay, unit, null);
    }

    private <V> ScheduledFuture<V> schedule(
        Callable<V> work, long delay, TimeUnit unit, @Nullable Purpose purpose) {
      Task<V> task = new Task<>(work, unit.toNanos(delay), purpose);
      if (task.endsAHealthCheck()) {
        checks.add(task);
      }
      synchronized (tasks) {
        tasks.add(task);
      }
      return task;
    }

    @Override
    public ScheduledFuture<?> schedule(Runnable work, long delay, TimeUnit unit) {
      Purpose purpose = work instanceof ScheduledTask task ? task.purpose() : null;
      return schedule(Executors.callable(work), delay, unit, purpose);
    }
  }
}
