// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.redis;

import static io.lettuce.core.ScriptOutputType.MULTI;

import io.lettuce.core.RedisChannelHandler;
import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisCommandExecutionException;
import io.lettuce.core.RedisConnectionStateListener;
import io.lettuce.core.RedisFuture;
import io.lettuce.core.RedisLoadingException;
import io.lettuce.core.RedisNoScriptException;
import io.lettuce.core.RedisReadOnlyException;
import io.lettuce.core.api.StatefulRedisConnection;
import io.lettuce.core.api.async.RedisAsyncCommands;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * The one connection of a store, which all its threads share. It is opened at first use and anew
 * when it is lost. Nobody waits longer than a second for it and the answer together.
 */
final class RedisLink implements AutoCloseable {
  private static final Duration LIMIT = Duration.ofSeconds(1);

  private final RedisClient client;
  private final ReentrantLock lock = new ReentrantLock();

  /** When Redis last sent anything on the connection, by {@link System#nanoTime()}. */
  private volatile long lastAnswer;

  // Guarded by the lock.
  private @Nullable CompletableFuture<StatefulRedisConnection<String, String>> opening;
  private boolean closed;

  RedisLink(RedisClient client) {
    this.client = client;
  }

  /**
   * Runs a script that answers a list.
   *
   * @throws IllegalStateException if Redis cannot be reached, refuses, or does not answer in time
   */
  List<Object> run(RedisScript script, String[] keys, String[] arguments) {
    long deadline = System.nanoTime() + LIMIT.toNanos();
    StatefulRedisConnection<String, String> connection = connection(deadline);
    RedisAsyncCommands<String, String> commands = connection.async();
    try {
      return answer(
          connection, commands.evalsha(script.digest(), MULTI, keys, arguments), deadline);
    } catch (RedisNoScriptException e) {
      return answer(connection, commands.eval(script.text(), MULTI, keys, arguments), deadline);
    }
  }

  private StatefulRedisConnection<String, String> connection(long deadline) {
    Future<StatefulRedisConnection<String, String>> usable = usable();
    try {
      return usable.get(deadline - System.nanoTime(), TimeUnit.NANOSECONDS);
    } catch (ExecutionException e) {
      throw new IllegalStateException("Redis cannot be reached: " + reason(e), e.getCause());
    } catch (TimeoutException e) {
      throw new IllegalStateException("no connection to Redis in " + LIMIT.toMillis() + " ms", e);
    } catch (InterruptedException e) {
      throw interrupted(e);
    }
  }

  private CompletableFuture<StatefulRedisConnection<String, String>> usable() {
    lock.lock();
    try {
      if (closed) {
        throw new IllegalStateException("the budget store must be open, was closed");
      }
      if (opening == null || isLost(opening)) {
        closeIfOpen(opening);
        opening = open();
      }
      return opening;
    } finally {
      lock.unlock();
    }
  }

  /** Returns whether an attempt to connect has failed or its connection is down. */
  private static boolean isLost(
      CompletableFuture<StatefulRedisConnection<String, String>> opening) {
    return opening.isDone() && (opening.isCompletedExceptionally() || !opening.join().isOpen());
  }

  /**
   * Closes a connection that is lost. Lettuce would open it again, but after up to half a minute,
   * and until then keep commands in a queue, to send them when nobody waits for them any more.
   */
  private record CloseWhenLost(StatefulRedisConnection<String, String> connection)
      implements RedisConnectionStateListener {
    @Override
    public void onRedisDisconnected(RedisChannelHandler<?, ?> lost) {
      close(connection);
    }
  }

  /**
   * Connects on a thread of its own: a caller that is interrupted would leave half a connection.
   */
  private CompletableFuture<StatefulRedisConnection<String, String>> open() {
    CompletableFuture<StatefulRedisConnection<String, String>> opened = new CompletableFuture<>();
    Thread thread = new Thread(() -> connect(opened), "offmeter-redis-connect");
    thread.setDaemon(true);
    thread.start();
    return opened;
  }

  private void connect(CompletableFuture<StatefulRedisConnection<String, String>> opened) {
    try {
      StatefulRedisConnection<String, String> connection = client.connect();
      connection.addListener(new CloseWhenLost(connection));
      lastAnswer = System.nanoTime();
      if (!opened.complete(connection)) {
        close(connection);
      }
    } catch (RuntimeException | Error e) {
      // An error too, such as a library that is missing: somebody waits.
      opened.completeExceptionally(e);
    }
  }

  private List<Object> answer(
      StatefulRedisConnection<String, String> connection,
      RedisFuture<List<Object>> asked,
      long deadline) {
    try {
      List<Object> answer = asked.get(deadline - System.nanoTime(), TimeUnit.NANOSECONDS);
      lastAnswer = System.nanoTime();
      return answer;
    } catch (ExecutionException e) {
      throw failure(connection, e);
    } catch (CancellationException e) {
      throw new IllegalStateException("the connection to Redis was lost", e);
    } catch (TimeoutException e) {
      giveUp(connection, asked);
      throw new IllegalStateException("no answer of Redis in " + LIMIT.toMillis() + " ms", e);
    } catch (InterruptedException e) {
      giveUp(connection, asked);
      throw interrupted(e);
    }
  }

  private RuntimeException failure(
      StatefulRedisConnection<String, String> connection, ExecutionException failure) {
    if (!(failure.getCause() instanceof RedisCommandExecutionException refusal)) {
      return new IllegalStateException(
          "the connection to Redis was lost: " + reason(failure), failure.getCause());
    }
    lastAnswer = System.nanoTime();
    if (refusal instanceof RedisNoScriptException) {
      return refusal;
    }
    // The name of a primary that has failed over leads to another server when it is asked again.
    if (refusal instanceof RedisReadOnlyException || refusal instanceof RedisLoadingException) {
      close(connection);
    }
    return new IllegalStateException("Redis refuses: " + refusal.getMessage(), refusal);
  }

  /**
   * Forgets a command, and closes a connection on which nothing has come for a second: what is sent
   * to a server that hangs would pile up.
   */
  private void giveUp(StatefulRedisConnection<String, String> connection, Future<?> asked) {
    asked.cancel(true);
    if (System.nanoTime() - lastAnswer >= LIMIT.toNanos()) {
      close(connection);
    }
  }

  private static IllegalStateException interrupted(InterruptedException e) {
    Thread.currentThread().interrupt();
    return new IllegalStateException("interrupted while waiting for Redis", e);
  }

  /** Returns the message of the innermost cause: those of Lettuce's wrappers name no reason. */
  private static String reason(Throwable failure) {
    Throwable inner = failure;
    while (inner.getCause() != null) {
      inner = inner.getCause();
    }
    return inner.getMessage() == null ? inner.toString() : inner.getMessage();
  }

  @Override
  public void close() {
    lock.lock();
    try {
      closed = true;
      closeIfOpen(opening);
    } finally {
      lock.unlock();
    }
  }

  private static void closeIfOpen(
      @Nullable CompletableFuture<StatefulRedisConnection<String, String>> opening) {
    if (opening != null
        && !opening.completeExceptionally(new IllegalStateException("closed"))
        && !opening.isCompletedExceptionally()) {
      close(opening.join());
    }
  }

  private static void close(StatefulRedisConnection<String, String> connection) {
    // Nothing depends on when it is closed.
    Future<?> unused = connection.closeAsync();
  }
}
