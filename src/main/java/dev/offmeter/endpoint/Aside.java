// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.endpoint;

import java.util.concurrent.Callable;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.FutureTask;
import java.util.concurrent.RejectedExecutionException;
import org.jspecify.annotations.Nullable;

/**
 * Runs what nothing can interrupt (a DNS lookup, the application's own code) on another thread, so
 * that the thread that waits for it can always be freed. What is left behind runs to its own end;
 * Java offers no way to stop it.
 */
final class Aside {
  private final Executor workers;
  private volatile @Nullable FutureTask<?> running;
  private volatile boolean cancelled;

  Aside(Executor workers) {
    this.workers = workers;
  }

  /**
   * Waits for {@code work}.
   *
   * @throws CancellationException after {@link #cancel()}
   */
  <T> T call(Callable<T> work) throws ExecutionException, InterruptedException {
    FutureTask<T> task = new FutureTask<>(work);
    running = task;
    if (cancelled) {
      task.cancel(true);
    }
    try {
      workers.execute(task);
      return task.get();
    } catch (RejectedExecutionException e) {
      throw new CancellationException("the client was closed");
    } catch (InterruptedException e) {
      task.cancel(true);
      throw e;
    } finally {
      running = null;
    }
  }

  void cancel() {
    cancelled = true;
    FutureTask<?> task = running;
    if (task != null) {
      task.cancel(true);
    }
  }
}
