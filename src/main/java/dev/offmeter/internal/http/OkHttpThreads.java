// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import dev.offmeter.internal.DetachedThreads;
import dev.offmeter.internal.UserCode;
import java.io.InterruptedIOException;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingDeque;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.logging.Logger;
import okhttp3.ConnectionPool;
import okhttp3.OkHttpClient;
import okhttp3.internal.concurrent.TaskRunner;
import okhttp3.internal.connection.ConnectionListener;
import org.jspecify.annotations.Nullable;
import org.slf4j.LoggerFactory;

/**
 * Supplies the threads on which OkHttp connects and closes idle connections. OkHttp's own threads
 * are started by the first caller and keep that caller's inheritable thread-locals and class loader
 * for the calls of others; and once one cannot be started, OkHttp (5.5) waits for it for ever.
 * These are {@link DetachedThreads}, shared by all clients of the process, and end after ten idle
 * seconds.
 *
 * <p>No public method of OkHttp sets them. If another version does not have the internal method
 * either, its own threads remain.
 */
final class OkHttpThreads {
  private OkHttpThreads() {}

  /** Makes a client connect on these threads. */
  static OkHttpClient.Builder configure(OkHttpClient.Builder builder) {
    try {
      return TaskRunners.configure(builder);
    } catch (LinkageError e) {
      logLinkageError(e);
      return builder;
    }
  }

  /** Creates a pool that closes idle connections on these threads. */
  static ConnectionPool pool(int most, long keepAlive, TimeUnit unit) {
    try {
      return TaskRunners.pool(most, keepAlive, unit);
    } catch (LinkageError e) {
      logLinkageError(e);
      return new ConnectionPool(most, keepAlive, unit);
    }
  }

  private static void logLinkageError(LinkageError e) {
    UserCode.ignore(
        () ->
            LoggerFactory.getLogger("dev.offmeter")
                .debug("this OkHttp connects on threads of its own: {}", e.toString()));
  }

  /**
   * Thrown when no thread could be started for a connection. OkHttp does not retry after an {@link
   * InterruptedIOException}.
   */
  static final class NoConnectThreadException extends InterruptedIOException {
    private static final long serialVersionUID = 1L;

    NoConnectThreadException() {
      super(UserCode.NO_THREAD);
    }
  }

  /**
   * Holds the calls of internal methods, in a class of its own that is linked when first used: if
   * one is missing, only this class fails.
   */
  private static final class TaskRunners {
    private static final TaskRunner RUNNER = runner(new DetachedBackend());

    private static TaskRunner runner(DetachedBackend threads) {
      return new TaskRunner(threads, Logger.getLogger(TaskRunner.class.getName()));
    }

    static OkHttpClient.Builder configure(OkHttpClient.Builder builder) {
      return builder.taskRunner$okhttp(RUNNER);
    }

    static ConnectionPool pool(int most, long keepAlive, TimeUnit unit) {
      ConnectionListener none = ConnectionListener.Companion.getNONE();
      return new ConnectionPool(most, keepAlive, unit, RUNNER, none);
    }
  }

  /** Runs tasks as OkHttp's own backend does, on other threads. */
  static final class DetachedBackend implements TaskRunner.Backend {
    private final TaskRunner.RealBackend real;

    /** The task for which no thread could be started; OkHttp starts no other before it runs. */
    private final AtomicReference<@Nullable Runnable> unstarted = new AtomicReference<>();

    DetachedBackend() {
      this(DetachedThreads.daemons("OkHttp TaskRunner"));
    }

    DetachedBackend(ThreadFactory factory) {
      real = new TaskRunner.RealBackend(factory);
      real.getExecutor().setKeepAliveTime(10, TimeUnit.SECONDS);
    }

    @Override
    public void execute(TaskRunner runner, Runnable tasks) {
      if (UserCode.run(() -> real.execute(runner, tasks)) != null) {
        unstarted.set(tasks);
      }
    }

    /** Tries again to start a thread for the task that waits for one. */
    private boolean retryUnstarted() {
      Runnable tasks = unstarted.getAndSet(null);
      if (tasks != null && UserCode.run(() -> real.getExecutor().execute(tasks)) != null) {
        unstarted.set(tasks);
      }
      return unstarted.get() != null;
    }

    /** Replaces the queue for the results of one call's connects. */
    @Override
    public <T> BlockingQueue<T> decorate(BlockingQueue<T> results) {
      return new Results<>();
    }

    @Override
    public long nanoTime() {
      return real.nanoTime();
    }

    @Override
    public void coordinatorNotify(TaskRunner runner) {
      real.coordinatorNotify(runner);
    }

    @Override
    public void coordinatorWait(TaskRunner runner, long nanos) {
      try {
        real.coordinatorWait(runner, nanos);
      } catch (InterruptedException e) {
        // The interrupt comes from code of callers and libraries, such as a socket factory. Passed
        // on, it would make OkHttp drop the tasks of all calls.
        return;
      }
    }

    /** Fails at once for a connect that has no thread. */
    private final class Results<T> extends LinkedBlockingDeque<T> {
      private static final long serialVersionUID = 1L;
      private transient boolean awaited;

      @Override
      public @Nullable T poll(long timeout, TimeUnit unit) throws InterruptedException {
        if (!awaited && retryUnstarted()) {
          throw OkHttpThreads.<RuntimeException>undeclared(new NoConnectThreadException());
        }
        awaited = true;
        return super.poll(timeout, unit);
      }
    }
  }

  @SuppressWarnings({"unchecked", "TypeParameterUnusedInFormals"})
  private static <T extends Throwable> T undeclared(Throwable thrown) throws T {
    throw (T) thrown;
  }
}
