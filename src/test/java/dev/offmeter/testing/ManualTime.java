// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testing;

import dev.offmeter.internal.time.ScheduledTask;
import dev.offmeter.internal.time.ScheduledTask.Purpose;
import dev.offmeter.internal.time.TimeSource;
import java.time.Duration;
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
import org.jspecify.annotations.Nullable;

/** Time that stands still until a test moves it; what falls due runs on the test's thread. */
public final class ManualTime implements TimeSource {
  private final List<Task<?>> tasks = new ArrayList<>();
  private final Set<Task<?>> checks = ConcurrentHashMap.newKeySet();
  private volatile long now;

  /** Time from zero on. */
  public ManualTime() {
    this(0);
  }

  /** Time from any moment on: the machine's own may be negative. */
  public ManualTime(long nanos) {
    now = nanos;
  }

  @Override
  public long nanos() {
    return now;
  }

  @Override
  public ScheduledExecutorService timer() {
    return new Timer();
  }

  /** What is still due then stays, to be seen: it ought to have been cancelled. */
  @Override
  public void close() {}

  /** Moves time on, running each task at its own moment. */
  public void advance(Duration duration) {
    long end = now + duration.toNanos();
    for (Task<?> task = nextDue(end); task != null; task = nextDue(end)) {
      now = Math.max(now, task.due);
      task.letLoopbackEndFirst();
      task.run();
      task.awaitWhatItEnds();
    }
    now = end;
  }

  /** The process stands still: what falls due meanwhile runs late, when time next advances. */
  public void suspendProcess(Duration duration) {
    now += duration.toNanos();
  }

  /** How many tasks are still due, but for those of health checks and of calls not yet begun. */
  public int pendingTasks() {
    synchronized (tasks) {
      return (int)
          tasks.stream()
              .filter(task -> !task.isDone() && !task.isOfHealth() && !task.endsAHandover())
              .count();
    }
  }

  /** Whether a health check or a load is under way, or what follows from it. */
  public boolean isProbing() {
    return !checks.isEmpty();
  }

  /** Whether a health check is under way, or what follows from it; a load is none. */
  public boolean isHealthChecking() {
    return checks.stream().anyMatch(Task::endsALook);
  }

  /** Whether no task at all is still due. */
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
    /** In manual time a loopback connection is as quick as it is to an eye. */
    private static final Duration LOOPBACK = Duration.ofMillis(300);

    /** A load may take much longer than a look. */
    private static final long LOOK = Duration.ofSeconds(2).toNanos();

    private final long due;
    private final long limit;
    private final @Nullable Purpose purpose;
    private final CountDownLatch ended = new CountDownLatch(1);

    Task(Callable<V> work, long limit, @Nullable Purpose purpose) {
      super(work);
      this.due = now + limit;
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

    boolean endsALook() {
      return endsAHealthCheck() && limit <= LOOK;
    }

    private boolean findsALoadLate() {
      return purpose == Purpose.LOAD_LIMIT;
    }

    /** The test has moved the time on, while the reply was on its way. */
    void letLoopbackEndFirst() {
      if (endsAHealthCheck() || findsALoadLate()) {
        awaitEnd(LOOPBACK);
      }
    }

    /**
     * A check that is ended has its consequences at that moment, and not when a thread comes to it.
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

    /** Comes after everything else that a check does, if its limit has passed or not. */
    @Override
    public boolean cancel(boolean interrupt) {
      checks.remove(this);
      ended.countDown();
      return super.cancel(interrupt);
    }

    @Override
    public long getDelay(TimeUnit unit) {
      return unit.convert(due - now, TimeUnit.NANOSECONDS);
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
