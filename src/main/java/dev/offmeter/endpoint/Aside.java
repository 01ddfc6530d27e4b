// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.endpoint;

import dev.offmeter.wire.ForeignCode;
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
 * Runs what nothing can interrupt (a DNS lookup, the application's own code) on another thread, so
 * that the thread that waits for it can always be freed. What is left behind runs to its own end;
 * Java offers no way to stop it.
 */
final class Aside {
  private final Executor workers;
  private final LeftBehind leftBehind;
  private final Lookups lookups;
  private volatile @Nullable Future<?> running;
  private volatile boolean cancelled;

  /**
   * A place for work.
   *
   * @param leftBehind what earlier calls have given up, and where this one's is noted
   */
  Aside(Executor workers, LeftBehind leftBehind) {
    this(workers, leftBehind, new Lookups(System::nanoTime));
  }

  /** A place for work of an endpoint, which has lookups too. */
  Aside(Executor workers, LeftBehind leftBehind, Lookups lookups) {
    this.workers = workers;
    this.leftBehind = leftBehind;
    this.lookups = lookups;
  }

  /** Waits for the addresses of a host; throws likewise. */
  List<InetAddress> find(String host, Callable<List<InetAddress>> lookup)
      throws ExecutionException, InterruptedException {
    return lookups.find(host, lookup, this, workers);
  }

  /**
   * Waits for what others may wait for too: {@link #cancel()} ends the wait, and not the work.
   *
   * @throws ExecutionException with what it threw as the cause
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
   * Waits for {@code work}, which may have to wait for its turn.
   *
   * @throws ExecutionException with what it threw as the cause
   * @throws CancellationException after {@link #cancel()}
   * @throws Unanswered if earlier work was given up and has not returned for long
   * @throws NoThread if there is no thread for it; it has not begun
   */
  <T> T call(Callable<T> work) throws ExecutionException, InterruptedException {
    return call(work, null);
  }

  /**
   * Waits for {@code work}, which must not want for a thread.
   *
   * @throws NoThread if none has begun it within that time; it has not begun, and will not
   */
  <T> T call(Callable<T> work, @Nullable Duration within)
      throws ExecutionException, InterruptedException {
    LeftBehind.Work<T> turn = leftBehind.new Work<>(work);
    turn.awaitTurn(() -> cancelled);
    try {
      return run(turn, within);
    } finally {
      turn.onGivenUp();
    }
  }

  private <T> T run(LeftBehind.Work<T> work, @Nullable Duration within)
      throws ExecutionException, InterruptedException {
    FutureTask<T> task = new FutureTask<>(work);
    running = task;
    if (cancelled) {
      task.cancel(true);
    }
    try {
      begin(task);
      if (within != null) {
        awaitBegin(task, work, within);
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

  /** A virtual thread for which no carrier can be had is made, and never runs. */
  private static <T> void awaitBegin(FutureTask<T> task, LeftBehind.Work<T> work, Duration within)
      throws ExecutionException, InterruptedException {
    try {
      T unused = task.get(within.toNanos(), TimeUnit.NANOSECONDS);
    } catch (TimeoutException e) {
      if (work.renounce()) {
        throw new NoThread();
      }
    }
  }

  private void begin(FutureTask<?> task) {
    try {
      workers.execute(task);
    } catch (Throwable e) {
      // An OutOfMemoryError mostly: the process may have no further thread.
      if (cancelled) {
        throw new CancellationException("the call has ended");
      }
      throw new NoThread();
    }
  }

  void cancel() {
    cancelled = true;
    Future<?> waited = running;
    if (waited != null) {
      waited.cancel(true);
    }
    leftBehind.onEnd();
  }

  /** Work that is not begun, because no thread could be had for it. */
  static final class NoThread extends CancellationException {
    private static final long serialVersionUID = 1L;

    NoThread() {
      super(ForeignCode.NO_THREAD);
    }
  }

  /** Work that is not begun, because earlier work of its endpoint has not returned. */
  static final class Unanswered extends CancellationException {
    private static final long serialVersionUID = 1L;

    Unanswered() {
      super("an earlier one was given up and has not returned");
    }
  }
}
