// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import dev.offmeter.endpoint.DetachedThreads;
import dev.offmeter.failover.ScheduledTask;
import dev.offmeter.failover.Time;
import dev.offmeter.wire.ForeignCode;
import java.time.Duration;
import java.util.concurrent.Executor;
import java.util.concurrent.Future;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * A task on its way to a thread. An executor may refuse it, or the process be without a further
 * thread; and a virtual thread for which no carrier can be had is taken, and never runs. Either the
 * task runs, or it is told that it cannot: one of both, once.
 */
final class Handover implements Runnable {
  /** Far longer than a busy machine needs to begin a task. */
  private static final Duration LONGEST = Duration.ofSeconds(30);

  private static final ThreadFactory UNBEGUN = DetachedThreads.daemons("offmeter-unbegun");

  private final Runnable task;
  private final Runnable unable;
  private final AtomicBoolean settled = new AtomicBoolean();
  private volatile @Nullable Future<?> clock;

  /** Ends the wait for a thread. */
  private record Clock(Handover handover) implements ScheduledTask {
    @Override
    public Purpose purpose() {
      return Purpose.HANDOVER_LIMIT;
    }

    @Override
    public void run() {
      handover.giveUpAside();
    }
  }

  private Handover(Runnable task, Runnable unable) {
    this.task = task;
    this.unable = unable;
  }

  /**
   * Hands a task over.
   *
   * @param limit how long it may take until a thread begins it, at most 30 s; null for that
   * @param unable runs instead if none does, on this thread or one of its own
   */
  static void to(
      Executor workers, Time time, @Nullable Duration limit, Runnable task, Runnable unable) {
    Handover handover = new Handover(task, unable);
    Duration within = limit == null || limit.compareTo(LONGEST) > 0 ? LONGEST : limit;
    Future<?> clock = time.after(within.toNanos(), new Clock(handover));
    handover.clock = clock;
    if (clock == null || ForeignCode.run(() -> workers.execute(handover)) != null) {
      handover.giveUp();
    }
  }

  @Override
  public void run() {
    if (settle()) {
      task.run();
    }
  }

  private void giveUp() {
    if (settle()) {
      unable.run();
    }
  }

  /** The application's code may run then, and must not stop the clocks. */
  private void giveUpAside() {
    if (settle() && ForeignCode.run(() -> UNBEGUN.newThread(unable).start()) != null) {
      unable.run();
    }
  }

  private boolean settle() {
    boolean first = settled.compareAndSet(false, true);
    Future<?> running = clock;
    if (first && running != null) {
      running.cancel(false);
    }
    return first;
  }
}
