// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.time;

import dev.offmeter.internal.UserCode;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** Where the clocks get their time from. Safe for use by many threads. */
public interface TimeSource extends AutoCloseable {
  /** Nanoseconds since some fixed point. */
  long nanos();

  /** Runs what is due. */
  ScheduledExecutorService timer();

  /**
   * Waits on the calling thread until {@code event} is completed, in whatever way.
   *
   * @throws InterruptedException if the thread was interrupted
   */
  default void await(CompletableFuture<?> event) throws InterruptedException {
    try {
      Object unused = event.get();
    } catch (CancellationException | ExecutionException e) {
      // Whoever waits looks at the event itself.
    }
  }

  /**
   * A task for later.
   *
   * @return null if the process has no thread for it; it then runs as soon as there is one
   */
  default @Nullable ScheduledFuture<?> schedule(long nanos, Runnable task) {
    try {
      return UserCode.call(() -> timer().schedule(task, nanos, TimeUnit.NANOSECONDS));
    } catch (UserCode.UserCodeException e) {
      return null;
    }
  }

  /** Drops all that is still due. */
  @Override
  void close();

  /**
   * The machine's own time, with one daemon thread that ends when nothing has been due for long.
   */
  static TimeSource system() {
    return new SystemTimeSource();
  }
}
