// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.real;

import static org.awaitility.Awaitility.await;

import dev.offmeter.guard.BudgetStore;
import dev.offmeter.guard.BudgetStore.Claim;
import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisURI;
import io.lettuce.core.api.StatefulRedisConnection;
import io.lettuce.core.api.sync.RedisCommands;
import java.io.IOException;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

/** A redis-server on a free loopback port that keeps its files, if any, in a folder of its own. */
final class RedisServer implements AutoCloseable {
  private final int port = Processes.freePort();
  private final Path folder;
  private final List<String> options;
  private Process process;

  private RedisServer(Path parent, String... options) {
    this.folder = parent.resolve("redis-" + port);
    this.options = List.of(options);
    try {
      Files.createDirectories(folder);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
    start();
  }

  /** One that forgets all when it ends, unless the options say otherwise. */
  static RedisServer started(Path parent, String... options) {
    return new RedisServer(parent, options);
  }

  /** Starts it, also again after {@link #close}, on the same port. */
  void start() {
    List<String> command = new ArrayList<>();
    command.add(Program.REDIS_SERVER.required().toString());
    command.addAll(List.of("--port", String.valueOf(port), "--bind", "127.0.0.1"));
    command.addAll(List.of("--dir", folder.toString(), "--save", "", "--daemonize", "no"));
    command.addAll(options);
    process = Processes.start(command, folder.resolve("output.log"));
    await("a Redis that listens; its files are in " + folder)
        .atMost(Duration.ofSeconds(20))
        .until(this::listens);
  }

  private boolean listens() {
    if (!process.isAlive()) {
      throw new AssertionError("Redis ended:\n" + Processes.tail(folder.resolve("output.log")));
    }
    try (Socket socket = new Socket("127.0.0.1", port)) {
      return socket.isConnected();
    } catch (IOException e) {
      return false;
    }
  }

  /** Stops it where it is: it keeps its connections and answers nothing. */
  void freeze() {
    Processes.signal(process, "STOP");
  }

  /** Lets it go on. */
  void thaw() {
    Processes.signal(process, "CONT");
  }

  /**
   * Returns a store once it has a connection: on a machine that is loaded, one may take longer than
   * the second that a request waits.
   */
  static <S extends BudgetStore> S connected(S store) {
    Claim any = new Claim("any", 0, 1, Instant.MAX, Duration.ZERO);
    await("a store with a connection")
        .ignoreExceptions()
        .until(() -> store.balance(any, Instant.EPOCH).reserved() == 0);
    return store;
  }

  /** Returns its URI. */
  RedisURI uri() {
    return RedisURI.create("127.0.0.1", port);
  }

  /** Returns what Redis answers to commands on a connection of their own. */
  <T> T ask(Function<RedisCommands<String, String>, T> commands) {
    try (RedisClient client = RedisClient.create(uri());
        StatefulRedisConnection<String, String> connection = client.connect()) {
      return commands.apply(connection.sync());
    }
  }

  @Override
  public void close() {
    Processes.kill(process);
  }
}
