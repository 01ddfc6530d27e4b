// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.jdbc;

import dev.offmeter.meter.UsageRecord;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;

/** The table of usage: its columns, and the SQL that creates it, checks it and adds a row. */
record UsageTable(String name) {
  private static final String TEXT = "VARCHAR";
  private static final String SECONDS = "NUMERIC(20, 9)";

  /** The columns of {@link UsageRecord#toMap()} in its order, with their types. */
  static final Map<String, String> COLUMNS = columns();

  /** The columns that tell rows apart. */
  static final List<String> KEY = List.of("client_id", "call_id", "attempt");

  /** The columns that may be empty. */
  private static final Set<String> NULLABLE =
      Set.of("model_answered", "http_status", "session", "cost", "currency", "price_source");

  private static Map<String, String> columns() {
    Map<String, String> columns = new LinkedHashMap<>();
    columns.put("ended_at", "TIMESTAMP WITH TIME ZONE");
    columns.put("client_id", TEXT);
    columns.put("call_id", "BIGINT");
    columns.put("attempt", "INTEGER");
    columns.put("endpoint", TEXT);
    columns.put("origin", TEXT);
    columns.put("model", TEXT);
    columns.put("model_answered", TEXT);
    columns.put("outcome", TEXT);
    columns.put("http_status", "INTEGER");
    columns.put("tags", TEXT);
    columns.put("session", TEXT);
    columns.put("streamed", "BOOLEAN");
    columns.put("input_tokens", "INTEGER");
    columns.put("cached_input_tokens", "INTEGER");
    columns.put("cache_write_tokens", "INTEGER");
    columns.put("output_tokens", "INTEGER");
    columns.put("thinking_tokens", "INTEGER");
    columns.put("usage_reported", "BOOLEAN");
    columns.put("duration_seconds", SECONDS);
    columns.put("compute_seconds", SECONDS);
    columns.put("load_seconds", SECONDS);
    columns.put("cost", "NUMERIC(38, 18)");
    columns.put("currency", TEXT);
    columns.put("price_source", TEXT);
    columns.put("cost_estimated", "BOOLEAN");
    columns.put("possibly_billed", "BOOLEAN");
    return Collections.unmodifiableMap(columns);
  }

  /** Returns the statement that creates the table. */
  String create() {
    return COLUMNS.entrySet().stream()
        .map(
            column ->
                "  "
                    + declaration(column)
                    + (NULLABLE.contains(column.getKey()) ? "" : " NOT NULL"))
        .collect(
            Collectors.joining(
                ",\n",
                "CREATE TABLE IF NOT EXISTS " + name + " (\n",
                ",\n  PRIMARY KEY (" + String.join(", ", KEY) + ")\n)"));
  }

  private static String declaration(Map.Entry<String, String> column) {
    return column.getKey() + " " + column.getValue();
  }

  /** Returns the statement that adds a row unless it is there; the key's values come twice. */
  String insert() {
    String values =
        COLUMNS.values().stream()
            .map(type -> "CAST(? AS " + type + ")")
            .collect(Collectors.joining(", "));
    String same = KEY.stream().map(column -> column + " = ?").collect(Collectors.joining(" AND "));
    return "INSERT INTO "
        + name
        + " ("
        + String.join(", ", COLUMNS.keySet())
        + ") SELECT "
        + values
        + " WHERE NOT EXISTS (SELECT 1 FROM "
        + name
        + " WHERE "
        + same
        + ")";
  }

  /**
   * Checks that the table has all columns.
   *
   * @param creates whether it is created if it is absent
   */
  void check(Connection connection, boolean creates) throws SQLException {
    Set<String> missing = new TreeSet<>(COLUMNS.keySet());
    missing.removeAll(existing(connection, creates));
    if (!missing.isEmpty()) {
      String first = missing.iterator().next();
      throw new SQLException(
          "table "
              + name
              + " lacks "
              + String.join(", ", missing)
              + ": ALTER TABLE "
              + name
              + " ADD COLUMN "
              + first
              + " "
              + COLUMNS.get(first));
    }
  }

  private Set<String> existing(Connection connection, boolean creates) throws SQLException {
    try {
      return existing(connection);
    } catch (SQLException e) {
      if (!creates) {
        throw e;
      }
      // Not before: whoever may write to the table need not be one who may create it.
      connection.rollback();
      try (Statement statement = connection.createStatement()) {
        boolean unused = statement.execute(create());
      }
      return existing(connection);
    }
  }

  private Set<String> existing(Connection connection) throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet none = statement.executeQuery("SELECT * FROM " + name + " WHERE 1 = 0")) {
      ResultSetMetaData columns = none.getMetaData();
      Set<String> names = new TreeSet<>();
      for (int i = 1; i <= columns.getColumnCount(); i++) {
        names.add(columns.getColumnName(i).toLowerCase(Locale.ROOT));
      }
      return names;
    }
  }
}
