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
 * The threads on which OkHttp connects and closes idle connections. OkHttp's own are started by
 * whoever calls first and keep that thread's inheritable thread-locals and class loader for the
 * calls of others, and once one cannot be started OkHttp (5.5) waits for it for ever. These are
 * {@link DetachedThreads}, shared by all clients of the process, and end after ten idle seconds.
 *
 * <p>No public method of OkHttp sets them. Where another version has no such internal one either,
 * its own threads remain.
 */
final class OkHttpThreads {
  private OkHttpThreads() {}

  /** Lets a client connect on these threads. */
  static OkHttpClient.Builder configure(OkHttpClient.Builder builder) {
    try {
      return TaskRunners.configure(builder);
    } catch (LinkageError e) {
      logLinkageError(e);
      return builder;
    }
  }

  /** A pool that closes idle connections on these threads. */
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

  /** No thread could be had for a connection; OkHttp does not try again after an exception so. */
  static final class NoConnectThreadException extends InterruptedIOException {
    private static final long serialVersionUID = 1L;

    NoConnectThreadException() {
      super(UserCode.NO_THREAD);
    }
  }

  /** Linked when first used, so that a method that is missing can be done without. */
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

  /** OkHttp's own way to run tasks, but for where the threads come from. */
  static final class DetachedBackend implements TaskRunner.Backend {
    private final TaskRunner.RealBackend real;

    /** What no thread could be had for; until it runs, OkHttp begins no other. */
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

    /** Tries again to have a thread for what waits for one. */
    private boolean retryUnstarted() {
      Runnable tasks = unstarted.getAndSet(null);
      if (tasks != null && UserCode.run(() -> real.getExecutor().execute(tasks)) != null) {
        unstarted.set(tasks);
      }
      return unstarted.get() != null;
    }

    /** What comes of the connects of one call. */
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
        // Set by foreign code, a socket factory say; OkHttp would drop everybody's tasks for it.
        return;
      }
    }

    /** Whoever waits for a connect that has no thread is told so at once. */
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
