// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import dev.offmeter.internal.DetachedThreads;
import dev.offmeter.internal.UserCode;
import dev.offmeter.internal.time.ScheduledTask;
import dev.offmeter.internal.time.TimeSource;
import java.time.Duration;
import java.util.concurrent.Executor;
import java.util.concurrent.Future;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * Hands a task to a thread. An executor may reject it, the process may be unable to start a thread,
 * and a virtual thread for which no carrier is free accepts it and never runs. Exactly one of two
 * things happens, once: the task runs, or it is told that it cannot.
 */
final class TaskHandoff implements Runnable {
  /** Far longer than a busy machine needs to start a task. */
  private static final Duration LONGEST = Duration.ofSeconds(30);

  private static final ThreadFactory NOT_STARTED = DetachedThreads.daemons("offmeter-unbegun");

  private final Runnable task;
  private final Runnable unable;
  private final AtomicBoolean settled = new AtomicBoolean();
  private volatile @Nullable Future<?> clock;

  /** Ends the wait for a thread. */
  private record HandoffTimeout(TaskHandoff handoff) implements ScheduledTask {
    @Override
    public Purpose purpose() {
      return Purpose.HANDOFF_LIMIT;
    }

    @Override
    public void run() {
      handoff.expireInBackground();
    }
  }

  private TaskHandoff(Runnable task, Runnable unable) {
    this.task = task;
    this.unable = unable;
  }

  /**
   * Hands a task over.
   *
   * @param limit the longest wait for a thread, at most 30 s; null for that
   * @param unable runs instead if no thread begins the task, on this thread or one of its own
   */
  static void submit(
      Executor workers, TimeSource time, @Nullable Duration limit, Runnable task, Runnable unable) {
    TaskHandoff handoff = new TaskHandoff(task, unable);
    Duration within = limit == null || limit.compareTo(LONGEST) > 0 ? LONGEST : limit;
    Future<?> clock = time.schedule(within.toNanos(), new HandoffTimeout(handoff));
    handoff.clock = clock;
    if (clock == null || UserCode.run(() -> workers.execute(handoff)) != null) {
      handoff.expire();
    }
  }

  @Override
  public void run() {
    if (trySettle()) {
      task.run();
    }
  }

  private void expire() {
    if (trySettle()) {
      unable.run();
    }
  }

  /**
   * Fails the task on a thread of its own: the application's code may run then, and must not block
   * the timer.
   */
  private void expireInBackground() {
    if (trySettle() && UserCode.run(() -> NOT_STARTED.newThread(unable).start()) != null) {
      unable.run();
    }
  }

  private boolean trySettle() {
    boolean first = settled.compareAndSet(false, true);
    if (first) {
      TimeSource.cancel(clock);
    }
    return first;
  }
}
