// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.jdbc;

import dev.offmeter.meter.UsageLog;
import dev.offmeter.meter.UsageRecord;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Types;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Pattern;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/**
 * Writes rows of usage to a table, a batch in one transaction. Plain SQL, tried with PostgreSQL and
 * H2. A row that is there already, by {@code client_id}, {@code call_id} and {@code attempt}, is
 * not written again, so that a batch whose commit was lost with its connection does not double. A
 * cost is kept to 18 decimals.
 *
 * <p>The table is created if it is absent; {@link #createTable} turns that off. A table that lacks
 * a column is an error that names the column, and no row is written until it is there; further
 * columns may be there if they may be empty.
 *
 * <p>One connection is taken for each batch. Give the data source a limit for connecting and for
 * reading (PostgreSQL: {@code connectTimeout}, {@code socketTimeout}), because nothing else ends a
 * wait for a database that is silent. Immutable but for what it knows of the table; safe for use by
 * many threads.
 */
public final class JdbcUsageLog implements UsageLog {
  private static final Pattern NAME =
      Pattern.compile("[A-Za-z_][A-Za-z0-9_]*(\\.[A-Za-z_][A-Za-z0-9_]*)?");

  private final DataSource dataSource;
  private final UsageTable table;
  private final boolean createTable;

  /** True while the table is known to have all columns. */
  private volatile boolean checked;

  /** Creates a log in the table {@code offmeter_usage}, which it creates if it is absent. */
  public JdbcUsageLog(DataSource dataSource) {
    this(Objects.requireNonNull(dataSource, "dataSource"), "offmeter_usage", true);
  }

  private JdbcUsageLog(DataSource dataSource, String table, boolean createTable) {
    this.dataSource = dataSource;
    this.table = new UsageTable(table);
    this.createTable = createTable;
  }

  /**
   * Returns a log in another table.
   *
   * @param name letters, digits and underscores, after a schema and a dot if need be; it is not
   *     quoted, so that the database treats upper and lower case as it does
   * @throws IllegalArgumentException if it is not such a name
   */
  public JdbcUsageLog table(String name) {
    if (!NAME.matcher(Objects.requireNonNull(name, "name")).matches()) {
      throw new IllegalArgumentException(
          "table must be a name of letters, digits and underscores, was '" + name + "'");
    }
    return new JdbcUsageLog(dataSource, name, createTable);
  }

  /** Returns a log that creates its table if it is not there, or does not. Default: it does. */
  public JdbcUsageLog createTable(boolean createTable) {
    return new JdbcUsageLog(dataSource, table.name(), createTable);
  }

  /**
   * Writes the rows, or none of them.
   *
   * @throws SQLException if the database does not take them; the message has no value of a row and
   *     no address of a database
   */
  @Override
  public void write(List<UsageRecord> batch) throws SQLException {
    try (Connection connection = dataSource.getConnection()) {
      boolean before = connection.getAutoCommit();
      connection.setAutoCommit(false);
      try {
        write(connection, batch);
      } catch (Throwable e) {
        checked = false;
        rollBack(connection, e);
        throw e;
      } finally {
        restore(connection, before);
      }
    } catch (SQLException e) {
      throw DatabaseMessages.withoutValues(e);
    }
  }

  private void write(Connection connection, List<UsageRecord> batch) throws SQLException {
    if (!checked) {
      table.check(connection, createTable);
    }
    try (PreparedStatement insert = connection.prepareStatement(table.insert())) {
      for (UsageRecord row : batch) {
        set(insert, row);
        insert.addBatch();
      }
      int[] unused = insert.executeBatch();
    }
    connection.commit();
    checked = true;
  }

  private static void set(PreparedStatement insert, UsageRecord row) throws SQLException {
    Map<String, @Nullable Object> values = row.toMap();
    values.put("tags", row.tagsAsJson());
    int index = 1;
    for (String column : UsageTable.COLUMNS.keySet()) {
      set(insert, index++, values.get(column));
    }
    for (String column : UsageTable.KEY) {
      set(insert, index++, values.get(column));
    }
  }

  private static void set(PreparedStatement insert, int index, @Nullable Object value)
      throws SQLException {
    if (value == null) {
      insert.setNull(index, Types.NULL);
    } else if (value instanceof Instant moment) {
      insert.setObject(index, moment.atOffset(ZoneOffset.UTC));
    } else {
      insert.setObject(index, value);
    }
  }

  private static void rollBack(Connection connection, Throwable failure) {
    try {
      connection.rollback();
    } catch (SQLException e) {
      failure.addSuppressed(e);
    }
  }

  /** A connection that is broken cannot be restored, and its pool finds that out by itself. */
  private static void restore(Connection connection, boolean autoCommit) {
    try {
      connection.setAutoCommit(autoCommit);
    } catch (SQLException e) {
      return;
    }
  }

  /** Returns the name of the table. */
  @Override
  public String toString() {
    return "JdbcUsageLog[" + table.name() + "]";
  }
}
