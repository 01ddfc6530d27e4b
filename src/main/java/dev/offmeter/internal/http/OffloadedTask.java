// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import dev.offmeter.internal.UserCode;
import java.net.InetAddress;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * Runs what nothing can interrupt (a DNS lookup, code of callers and libraries) on another thread,
 * so that the thread that waits for it can always be freed. An abandoned task runs to its own end;
 * Java offers no way to stop it.
 */
final class OffloadedTask {
  private final Executor workers;
  private final UnreturnedTasks unreturnedTasks;
  private final DnsLookups lookups;
  private volatile @Nullable Future<?> running;
  private volatile boolean cancelled;

  /**
   * Creates a task for code of the application.
   *
   * @param unreturnedTasks the tasks of earlier calls, among which this one's is registered
   */
  OffloadedTask(Executor workers, UnreturnedTasks unreturnedTasks) {
    this(workers, unreturnedTasks, new DnsLookups(System::nanoTime));
  }

  /** Creates a task that may also look up host names. */
  OffloadedTask(Executor workers, UnreturnedTasks unreturnedTasks, DnsLookups lookups) {
    this.workers = workers;
    this.unreturnedTasks = unreturnedTasks;
    this.lookups = lookups;
  }

  /** Waits for the addresses of a host; throws as {@link #await} does. */
  List<InetAddress> lookUp(String host, Callable<List<InetAddress>> lookup)
      throws ExecutionException, InterruptedException {
    return lookups.find(host, lookup, this, workers);
  }

  /**
   * Waits for a future that others may wait for too: {@link #cancel()} ends the wait, not the work.
   *
   * @throws ExecutionException with the exception of the work as its cause
   * @throws CancellationException after {@link #cancel()}
   */
  <T> T await(CompletableFuture<T> shared) throws ExecutionException, InterruptedException {
    CompletableFuture<T> own = shared.copy();
    running = own;
    if (cancelled) {
      own.cancel(true);
    }
    try {
      return own.get();
    } catch (ExecutionException e) {
      throw e.getCause() instanceof ExecutionException thrown ? thrown : e;
    } finally {
      running = null;
    }
  }

  /**
   * Runs {@code work} and waits for it, after earlier work if need be.
   *
   * @throws ExecutionException with the exception of the work as its cause
   * @throws CancellationException after {@link #cancel()}
   * @throws EarlierTaskHangsException if earlier work was abandoned and has not returned for long
   * @throws NoThreadException if there is no thread for it; the work has not begun
   */
  <T> T call(Callable<T> work) throws ExecutionException, InterruptedException {
    return call(work, null);
  }

  /**
   * Runs {@code work} and waits for it, if a thread begins it within that time.
   *
   * @throws NoThreadException if none has begun it by then; it has not begun, and will not
   */
  <T> T call(Callable<T> work, @Nullable Duration within)
      throws ExecutionException, InterruptedException {
    UnreturnedTasks.Task<T> turn = unreturnedTasks.new Task<>(work);
    turn.awaitTurn(() -> cancelled);
    try {
      return run(turn, within);
    } finally {
      turn.onAbandoned();
    }
  }

  private <T> T run(UnreturnedTasks.Task<T> work, @Nullable Duration within)
      throws ExecutionException, InterruptedException {
    FutureTask<T> task = new FutureTask<>(work);
    running = task;
    if (cancelled) {
      task.cancel(true);
    }
    try {
      start(task);
      if (within != null) {
        awaitStart(task, work, within);
      }
      return task.get();
    } catch (InterruptedException e) {
      task.cancel(true);
      throw e;
    } catch (ExecutionException e) {
      throw e.getCause() instanceof ExecutionException thrown ? thrown : e;
    } finally {
      running = null;
    }
  }

  /**
   * Waits for the start. A virtual thread for which no carrier can be had is created but never
   * runs.
   */
  private static <T> void awaitStart(
      FutureTask<T> task, UnreturnedTasks.Task<T> work, Duration within)
      throws ExecutionException, InterruptedException {
    try {
      T unused = task.get(within.toNanos(), TimeUnit.NANOSECONDS);
    } catch (TimeoutException e) {
      if (work.tryWithdraw()) {
        throw new NoThreadException();
      }
    }
  }

  private void start(FutureTask<?> task) {
    try {
      workers.execute(task);
    } catch (Throwable e) {
      // Mostly an OutOfMemoryError: the process may not be able to start another thread.
      if (cancelled) {
        throw new CancellationException("the call has ended");
      }
      throw new NoThreadException();
    }
  }

  void cancel() {
    cancelled = true;
    Future<?> waited = running;
    if (waited != null) {
      waited.cancel(true);
    }
    unreturnedTasks.onEnd();
  }

  /** Thrown for work that has not begun, because no thread could be started for it. */
  static final class NoThreadException extends CancellationException {
    private static final long serialVersionUID = 1L;

    NoThreadException() {
      super(UserCode.NO_THREAD);
    }
  }

  /** Thrown for work that has not begun, because earlier work of its endpoint has not returned. */
  static final class EarlierTaskHangsException extends CancellationException {
    private static final long serialVersionUID = 1L;

    EarlierTaskHangsException() {
      super("an earlier one was given up and has not returned");
    }
  }
}
