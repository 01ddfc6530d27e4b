// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.jdbc;

import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import org.jspecify.annotations.Nullable;

/** Makes sure that the tables of a budget store are there. Safe for use by many threads. */
final class BudgetSchema {
  private final BudgetTables tables;
  private final boolean createTables;

  private volatile boolean there;

  BudgetSchema(BudgetTables tables, boolean createTables) {
    this.tables = tables;
    this.createTables = createTables;
  }

  /**
   * Checks the tables the first time, and creates those that are not there. The check comes first,
   * because a user who may not create tables may use them.
   *
   * @param connection commits each statement
   */
  void ensure(Connection connection) throws SQLException {
    if (there) {
      return;
    }
    SQLException missing = probed(connection);
    if (missing != null && createTables) {
      missing = created(connection);
    }
    if (missing != null) {
      throw missing;
    }
    there = true;
  }

  /** Returns why not all tables and columns are there; null if they are. */
  private @Nullable SQLException probed(Connection connection) {
    return executed(connection, tables.probe);
  }

  private @Nullable SQLException created(Connection connection) {
    SQLException first = null;
    for (String sql : tables.create) {
      // Fails if another process creates it at the same time, so the tables are checked afterwards.
      SQLException failed = executed(connection, sql);
      first = first == null ? failed : first;
    }
    SQLException missing = probed(connection);
    if (missing != null && first != null) {
      first.setNextException(missing);
      return first;
    }
    return missing;
  }

  private static @Nullable SQLException executed(Connection connection, String sql) {
    try (Statement statement = connection.createStatement()) {
      Transactions.limit(statement);
      statement.execute(sql);
      return null;
    } catch (SQLException e) {
      return e;
    }
  }

  /** Has the tables checked again after an error that a missing one may have caused: class 42. */
  void onFailure(SQLException failure) {
    String state = failure.getSQLState();
    if (state != null && state.startsWith("42")) {
      there = false;
    }
  }
}
