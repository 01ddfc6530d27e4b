// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.jdbc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.offmeter.meter.UsageRecord;
import dev.offmeter.testing.UsageRows;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import javax.sql.DataSource;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What a table of usage does in every database. */
public abstract class UsageLogContract {
  /** A name that no other table has. */
  protected static final String TABLE = "offmeter_usage";

  /** Returns the database under test. */
  protected abstract DataSource dataSource() throws Exception;

  private JdbcUsageLog log() throws Exception {
    return new JdbcUsageLog(dataSource());
  }

  @BeforeEach
  void dropTheTable() throws Exception {
    execute("DROP TABLE IF EXISTS " + TABLE);
  }

  /** Runs a statement. */
  protected final void execute(String sql) throws Exception {
    try (Connection connection = dataSource().getConnection();
        Statement statement = connection.createStatement()) {
      boolean unused = statement.execute(sql);
    }
  }

  private List<Object> column(String expression) throws Exception {
    try (Connection connection = dataSource().getConnection();
        Statement statement = connection.createStatement();
        ResultSet rows =
            statement.executeQuery("SELECT " + expression + " FROM " + TABLE + " ORDER BY 1")) {
      List<Object> values = new ArrayList<>();
      while (rows.next()) {
        values.add(rows.getObject(1));
      }
      return values;
    }
  }

  private long count() throws Exception {
    return ((Number) column("count(*)").get(0)).longValue();
  }

  @Test
  void theTableHasTheColumnsOfARow() {
    assertThat(UsageTable.COLUMNS.keySet())
        .containsExactlyElementsOf(UsageRows.answered(1).toMap().keySet());
  }

  @Test
  void everyColumnHasItsValue() throws Exception {
    UsageRecord row = UsageRows.answered(7);
    log().write(List.of(row));

    for (Map.Entry<String, Object> field : row.toMap().entrySet()) {
      Object stored = column(field.getKey()).get(0);
      if (field.getKey().equals("ended_at")) {
        assertThat(endedAt()).isEqualTo(field.getValue());
      } else if (field.getKey().equals("tags")) {
        assertThat(stored).isEqualTo(row.tagsAsJson());
      } else if (stored instanceof BigDecimal number) {
        assertThat(number).isEqualByComparingTo((BigDecimal) field.getValue());
      } else {
        assertThat(stored).as(field.getKey()).isEqualTo(field.getValue());
      }
    }
  }

  private Instant endedAt() throws Exception {
    try (Connection connection = dataSource().getConnection();
        Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery("SELECT ended_at FROM " + TABLE)) {
      assertThat(rows.next()).isTrue();
      return rows.getObject(1, OffsetDateTime.class).toInstant();
    }
  }

  @Test
  void whatIsNotKnownIsNull() throws Exception {
    log().write(List.of(UsageRows.failed(1)));

    for (String column :
        List.of("cost", "currency", "price_source", "model_answered", "http_status", "session")) {
      assertThat(column(column)).as(column).containsOnlyNulls();
    }
    assertThat(column("possibly_billed")).containsExactly(true);
  }

  @Test
  void aBatchThatIsWrittenAgainDoesNotDouble() throws Exception {
    JdbcUsageLog log = log();
    log.write(UsageRows.ofCalls(1, 500));
    log.write(UsageRows.ofCalls(251, 700));

    assertThat(count()).isEqualTo(700);
  }

  @Test
  void aBatchIsWrittenAsAWholeOrNotAtAll() throws Exception {
    JdbcUsageLog log = log();
    log.write(UsageRows.ofCalls(1, 1));
    execute("ALTER TABLE " + TABLE + " ADD CONSTRAINT bounded CHECK (call_id < 100)");

    assertThatThrownBy(() -> log.write(UsageRows.ofCalls(90, 110)))
        .isInstanceOf(SQLException.class)
        .hasMessageNotContaining("follow-up");
    assertThat(count()).isEqualTo(1);
    execute("ALTER TABLE " + TABLE + " DROP CONSTRAINT bounded");
    log.write(UsageRows.ofCalls(90, 110));
    assertThat(count()).isEqualTo(22);
  }

  @Test
  void anOlderTableIsAnErrorThatNamesTheMissingColumnUntilItIsThere() throws Exception {
    log().write(UsageRows.ofCalls(1, 1));
    execute("ALTER TABLE " + TABLE + " DROP COLUMN cache_write_tokens");
    execute("ALTER TABLE " + TABLE + " DROP COLUMN session");
    JdbcUsageLog log = log();

    assertThatThrownBy(() -> log.write(UsageRows.ofCalls(2, 2)))
        .hasMessage(
            "table offmeter_usage lacks cache_write_tokens, session: ALTER TABLE offmeter_usage"
                + " ADD COLUMN cache_write_tokens INTEGER");
    execute("ALTER TABLE " + TABLE + " ADD COLUMN cache_write_tokens INTEGER");
    execute("ALTER TABLE " + TABLE + " ADD COLUMN session VARCHAR");
    log.write(UsageRows.ofCalls(2, 2));
    assertThat(count()).isEqualTo(2);
  }

  @Test
  void aColumnThatIsDroppedMeanwhileIsNamedToo() throws Exception {
    JdbcUsageLog log = log();
    log.write(UsageRows.ofCalls(1, 1));
    execute("ALTER TABLE " + TABLE + " DROP COLUMN session");

    assertThatThrownBy(() -> log.write(UsageRows.ofCalls(2, 2))).isInstanceOf(SQLException.class);
    assertThatThrownBy(() -> log.write(UsageRows.ofCalls(2, 2)))
        .hasMessageStartingWith("table offmeter_usage lacks session: ");
  }

  @Test
  void aFurtherColumnIsLeftAlone() throws Exception {
    JdbcUsageLog log = log();
    log.write(UsageRows.ofCalls(1, 1));
    execute("ALTER TABLE " + TABLE + " ADD COLUMN invoice INTEGER");

    new JdbcUsageLog(dataSource()).write(UsageRows.ofCalls(2, 2));
    assertThat(count()).isEqualTo(2);
  }

  @Test
  void aTableThatIsAbsentIsNotCreatedIfThatIsTurnedOff() throws Exception {
    assertThatThrownBy(() -> log().createTable(false).write(UsageRows.ofCalls(1, 1)))
        .isInstanceOf(SQLException.class);
    log().write(UsageRows.ofCalls(1, 1));
    log().createTable(false).write(UsageRows.ofCalls(2, 2));

    assertThat(count()).isEqualTo(2);
  }

  @Test
  void theTableMayHaveAnotherName() throws Exception {
    execute("DROP TABLE IF EXISTS other_usage");
    log().table("other_usage").write(UsageRows.ofCalls(1, 3));

    execute("ALTER TABLE other_usage RENAME TO " + TABLE);
    assertThat(count()).isEqualTo(3);
    assertThatThrownBy(() -> log().table("usage; DROP TABLE x"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "table must be a name of letters, digits and underscores, was 'usage; DROP TABLE x'");
  }

  @Test
  void theConnectionIsGivenBackAsItWas() throws Exception {
    try (Connection connection = dataSource().getConnection()) {
      JdbcUsageLog log = new JdbcUsageLog(always(connection));
      log.write(UsageRows.ofCalls(1, 1));
      assertThat(connection.getAutoCommit()).isTrue();
      execute("ALTER TABLE " + TABLE + " DROP COLUMN session");
      assertThatThrownBy(() -> log.write(UsageRows.ofCalls(2, 2))).isInstanceOf(SQLException.class);
      assertThat(connection.getAutoCommit()).isTrue();
      connection.setAutoCommit(false);
      execute("DROP TABLE " + TABLE);
      log.write(UsageRows.ofCalls(3, 3));
      assertThat(connection.getAutoCommit()).isFalse();
      connection.rollback();
    }
    assertThat(count()).isEqualTo(1);
  }

  /** Returns a data source that hands out one connection, which nobody closes. */
  private static DataSource always(Connection connection) {
    Connection kept =
        proxy(
            Connection.class,
            (proxy, method, arguments) ->
                method.getName().equals("close") ? null : method.invoke(connection, arguments));
    return proxy(DataSource.class, (proxy, method, arguments) -> kept);
  }

  private static <T> T proxy(Class<T> type, InvocationHandler handler) {
    return type.cast(
        Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, unwrapped(handler)));
  }

  private static InvocationHandler unwrapped(InvocationHandler handler) {
    return (proxy, method, arguments) -> {
      try {
        return handler.invoke(proxy, method, arguments);
      } catch (InvocationTargetException e) {
        throw e.getCause();
      }
    };
  }

  @Test
  void theSumOfCostsIsExact() throws Exception {
    log().write(UsageRows.ofCalls(1, 300));

    assertThat((BigDecimal) column("sum(cost)").get(0)).isEqualByComparingTo("0.0225675000000003");
    assertThat((BigDecimal) column("sum(duration_seconds)").get(0))
        .isEqualByComparingTo("370.3703673");
  }
}
