// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.real;

import static org.awaitility.Awaitility.await;

import com.zaxxer.hikari.HikariDataSource;
import dev.offmeter.integration.jdbc.PooledStores;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** A process of PostgreSQL on a free loopback port, with an empty database. */
final class Postgres implements AutoCloseable {
  /** PostgreSQL refuses to run as root. */
  private static final boolean ROOT = "root".equals(System.getProperty("user.name"));

  private final Path program = Program.POSTGRES.required();
  private final int port = Processes.freePort();
  private final Path folder;
  private final Path data;
  private final Path log;
  private Process process;

  private Postgres() {
    try {
      // Not below a folder of JUnit's, which only its own user can enter.
      folder = Files.createTempDirectory("offmeter-postgres");
      data = folder.resolve("data");
      log = folder.resolve("log");
      if (ROOT) {
        Files.setOwner(
            folder,
            folder.getFileSystem().getUserPrincipalLookupService().lookupPrincipalByName("nobody"));
      }
      initialize();
    } catch (IOException | InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  /** Starts one. */
  static Postgres started() {
    Postgres postgres = new Postgres();
    postgres.start();
    return postgres;
  }

  private void initialize() throws InterruptedException {
    Process initialization =
        Processes.start(
            command(
                "initdb",
                "-D",
                data.toString(),
                "-U",
                "offmeter",
                "--auth=trust",
                "--encoding=UTF8",
                "--no-locale",
                "--no-sync"),
            log);
    if (initialization.waitFor() != 0) {
      throw new AssertionError("initdb failed:\n" + Processes.tail(log));
    }
  }

  private List<String> command(String name, String... arguments) {
    List<String> command = new ArrayList<>();
    if (ROOT) {
      command.addAll(
          List.of("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"));
    }
    command.add(program.resolveSibling(name).toString());
    command.addAll(List.of(arguments));
    return command;
  }

  /** Starts the server, again too, on the same port and with the same data. */
  void start() {
    process =
        Processes.start(
            command(
                program.getFileName().toString(),
                "-D",
                data.toString(),
                "-p",
                String.valueOf(port),
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                "unix_socket_directories=",
                "-c",
                "fsync=off",
                // Its library may not be there.
                "-c",
                "jit=off"),
            log);
    await("a PostgreSQL that answers; its log is " + log)
        .atMost(Duration.ofSeconds(30))
        .until(this::answers);
  }

  private boolean answers() {
    if (!process.isAlive()) {
      throw new AssertionError("postgres ended:\n" + Processes.tail(log));
    }
    try (Connection connection = DriverManager.getConnection(url())) {
      return connection.isValid(1);
    } catch (SQLException e) {
      return false;
    }
  }

  /** Stops the server as its administrator would, who does not wait for its clients. */
  void stop() {
    Processes.signal(process, "INT");
    process.onExit().join();
  }

  /** Returns the JDBC URL of its database, for a user who may do anything. */
  String url() {
    return urlFor("offmeter");
  }

  String urlFor(String user) {
    return "jdbc:postgresql://127.0.0.1:" + port + "/postgres?connectTimeout=1&user=" + user;
  }

  /** Returns a pool, as it should be set for a budget store. */
  HikariDataSource pool() {
    return PooledStores.pool(url());
  }

  /** Runs a statement as the user who may do anything. */
  void execute(String sql) {
    try (Connection connection = DriverManager.getConnection(url());
        Statement statement = connection.createStatement()) {
      statement.execute(sql);
    } catch (SQLException e) {
      throw new AssertionError(e);
    }
  }

  @Override
  public void close() {
    Processes.kill(process);
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.sorted((one, other) -> other.compareTo(one)).toList()) {
        Files.delete(file);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
