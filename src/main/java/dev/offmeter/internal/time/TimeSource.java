// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.time;

import dev.offmeter.internal.UserCode;
import java.time.Instant;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** Provides the current time and a timer. Safe for use by many threads. */
public interface TimeSource extends AutoCloseable {
  /** Returns nanoseconds since some fixed point. */
  long nanos();

  /** Returns the time of day, which may jump when the machine's clock is set. */
  default Instant instant() {
    return Instant.now();
  }

  /** Returns the executor that runs tasks when they are due. */
  ScheduledExecutorService timer();

  /**
   * Waits on the calling thread until {@code event} is completed, normally or not.
   *
   * @throws InterruptedException if the thread was interrupted
   */
  default void await(CompletableFuture<?> event) throws InterruptedException {
    try {
      Object unused = event.get();
    } catch (CancellationException | ExecutionException e) {
      // The outcome is in the event; this method only waits for it.
    }
  }

  /**
   * Schedules a task.
   *
   * @return null if the process can start no thread now; the task then runs as soon as it can
   */
  default @Nullable ScheduledFuture<?> schedule(long nanos, Runnable task) {
    try {
      return UserCode.call(() -> timer().schedule(task, nanos, TimeUnit.NANOSECONDS));
    } catch (UserCode.UserCodeException e) {
      return null;
    }
  }

  /** Cancels what {@link #schedule} returned, unless it has run or was not scheduled. */
  static void cancel(@Nullable Future<?> scheduled) {
    if (scheduled != null) {
      scheduled.cancel(false);
    }
  }

  /** Drops all tasks that are still due. */
  @Override
  void close();

  /**
   * Returns the machine's own time, with one daemon thread that ends after a while without tasks.
   */
  static TimeSource system() {
    return new SystemTimeSource();
  }
}
