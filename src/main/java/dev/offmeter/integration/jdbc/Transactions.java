// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.jdbc;

import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import javax.sql.DataSource;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Runs work in transactions, each on a connection of its own. Connections are given back as they
 * were. Safe for use by many threads.
 */
final class Transactions {
  private static final Logger LOG = LoggerFactory.getLogger("dev.offmeter");

  /** The limit of a statement, in seconds; the caller has given up by then. */
  private static final int STATEMENT_SECONDS = 1;

  private static final Duration LONGEST = Duration.ofSeconds(STATEMENT_SECONDS);

  private static final int TRIES = 5;

  /**
   * SQL states of what may work when it is done again: PostgreSQL's for a serialization failure and
   * a deadlock, and H2's for a deadlock and a row that another transaction has changed.
   */
  private static final Set<String> CONFLICTS = Set.of("40001", "40P01", "90131");

  private final DataSource dataSource;
  private final BudgetSchema schema;
  private final AtomicBoolean failing = new AtomicBoolean();

  Transactions(DataSource dataSource, BudgetSchema schema) {
    this.dataSource = dataSource;
    this.schema = schema;
  }

  /** Work in a transaction. */
  interface Work<T> {
    T run(Connection connection) throws SQLException;
  }

  /**
   * Runs work, and again if it met another transaction. The log has one WARN from the first failure
   * to the next success.
   *
   * @throws IllegalStateException if it failed; nothing is changed, unless the reply to the commit
   *     was lost
   */
  <T> T run(Work<T> work) {
    long began = System.nanoTime();
    for (int tries = 1; ; tries++) {
      try {
        T result = once(work);
        failing.set(false);
        return result;
      } catch (SQLException e) {
        boolean over = System.nanoTime() - began > LONGEST.toNanos();
        boolean again = tries < TRIES && !over && isConflict(e) && !isInterrupted();
        if (!again) {
          throw failure(e);
        }
      }
    }
  }

  private static boolean isInterrupted() {
    return Thread.currentThread().isInterrupted();
  }

  /** Ends work that nobody waits for any more. */
  static void endIfInterrupted() throws SQLException {
    if (isInterrupted()) {
      throw new SQLException("interrupted");
    }
  }

  private static boolean isConflict(SQLException e) {
    return CONFLICTS.contains(Optional.ofNullable(e.getSQLState()).orElse(""));
  }

  private IllegalStateException failure(SQLException e) {
    schema.onFailure(e);
    SQLException harmless = DatabaseMessages.withoutValues(e);
    SQLException next = e.getNextException();
    String message =
        "the database of the budget store does not work: "
            + harmless.getMessage()
            + (next == null ? "" : "; " + DatabaseMessages.withoutValues(next).getMessage());
    // Whoever has interrupted it knows why.
    if (!isInterrupted() && failing.compareAndSet(false, true)) {
      LOG.warn(message);
    }
    return new IllegalStateException(message, harmless);
  }

  private <T> T once(Work<T> work) throws SQLException {
    endIfInterrupted();
    try (Connection connection = dataSource.getConnection();
        Restored restored = new Restored(connection)) {
      schema.ensure(connection);
      restored.begin();
      T result = work.run(connection);
      connection.commit();
      restored.onCommitted();
      return result;
    }
  }

  /** Limits a statement. H2 keeps the limit for the connection, and asks the database to set it. */
  static void limit(Statement statement) throws SQLException {
    if (statement.getQueryTimeout() != STATEMENT_SECONDS) {
      statement.setQueryTimeout(STATEMENT_SECONDS);
    }
  }

  /** The settings of a connection, which are put back when it is closed. */
  private static final class Restored implements AutoCloseable {
    private final Connection connection;
    private final boolean autoCommit;
    private final int isolation;
    private final int queryTimeout;
    private boolean open;

    Restored(Connection connection) throws SQLException {
      this.connection = connection;
      autoCommit = connection.getAutoCommit();
      isolation = connection.getTransactionIsolation();
      try (Statement any = connection.createStatement()) {
        queryTimeout = any.getQueryTimeout();
      }
      if (!autoCommit) {
        connection.setAutoCommit(true);
      }
    }

    void begin() throws SQLException {
      // In a stricter isolation a transaction would not see what was committed while it waited.
      if (isolation != Connection.TRANSACTION_READ_COMMITTED) {
        connection.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
      }
      connection.setAutoCommit(false);
      open = true;
    }

    void onCommitted() {
      open = false;
    }

    @Override
    public void close() throws SQLException {
      if (open) {
        connection.rollback();
      }
      try (Statement any = connection.createStatement()) {
        if (any.getQueryTimeout() != queryTimeout) {
          any.setQueryTimeout(queryTimeout);
        }
      }
      if (isolation != Connection.TRANSACTION_READ_COMMITTED) {
        connection.setTransactionIsolation(isolation);
      }
      connection.setAutoCommit(autoCommit);
    }
  }
}
