// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ScheduledExecutorService;

/** Where the clocks get their time from. Safe for use by many threads. */
public interface Time extends AutoCloseable {
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

  /** Drops all that is still due. */
  @Override
  void close();

  /**
   * The machine's own time, with one daemon thread that ends when nothing has been due for long.
   */
  static Time system() {
    return new SystemTime();
  }
}
