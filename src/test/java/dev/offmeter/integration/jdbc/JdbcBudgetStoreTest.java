// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.jdbc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import ch.qos.logback.classic.Level;
import dev.offmeter.guard.BudgetStore;
import dev.offmeter.guard.BudgetStore.Balance;
import dev.offmeter.guard.BudgetStore.Claim;
import dev.offmeter.testing.LoggedEvents;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.h2.jdbcx.JdbcDataSource;
import org.h2.tools.Server;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A store with its database: connections, tables, and what goes wrong with either. */
@Timeout(60)
class JdbcBudgetStoreTest {
  private static final Instant NOW = Instant.parse("2026-11-18T12:00:00Z");
  private static final Instant LEASE = NOW.plusSeconds(60);
  private static final Claim ONE = new Claim("one", 1, 1, Instant.MAX, Duration.ZERO);

  private static final Claim TEN = new Claim("ten", 1, 10, Instant.MAX, Duration.ZERO);

  @RegisterExtension final LoggedEvents log = new LoggedEvents(Level.WARN);

  @TempDir Path folder;

  private Connection database;
  private LentConnection source;
  private BudgetStore store;

  @BeforeEach
  void open() throws SQLException {
    database = DriverManager.getConnection("jdbc:h2:mem:" + UUID.randomUUID());
    source = new LentConnection(database);
    store = new JdbcBudgetStore(source);
  }

  @AfterEach
  void close() throws SQLException {
    database.close();
  }

  private void execute(String sql) throws SQLException {
    try (Statement statement = database.createStatement()) {
      statement.execute(sql);
    }
  }

  private long rows(String table) throws SQLException {
    try (Statement statement = database.createStatement();
        ResultSet row = statement.executeQuery("select count(*) from " + table)) {
      row.next();
      return row.getLong(1);
    }
  }

  private static int reserve(BudgetStore store, String reservation, Instant now) {
    return store.reserve(reservation, List.of(ONE), now, now.plusSeconds(60));
  }

  private static void spend(BudgetStore store, String reservation, Claim claim, Instant now) {
    assertThat(store.reserve(reservation, List.of(claim), now, now.plusSeconds(60))).isEqualTo(-1);
    store.settle(reservation, List.of(claim), List.of(1L), now);
  }

  // Connections.

  @Test
  void opensNoConnectionBeforeItIsAsked() {
    new JdbcBudgetStore(source).tablePrefix("other_").createTables(false);

    assertThat(source.lent()).isZero();
  }

  @Test
  void givesConnectionsBackAsTheyWere() throws SQLException {
    database.setAutoCommit(false);
    database.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
    setQueryTimeout(7);

    spend(store, "1", ONE, NOW);
    assertThat(reserve(store, "2", NOW)).isZero();
    execute("drop table offmeter_budget");
    assertThatThrownBy(() -> store.balance(ONE, NOW)).isInstanceOf(IllegalStateException.class);

    assertThat(source.out()).isZero();
    assertThat(database.getAutoCommit()).isFalse();
    assertThat(database.getTransactionIsolation()).isEqualTo(Connection.TRANSACTION_SERIALIZABLE);
    try (Statement statement = database.createStatement()) {
      assertThat(statement.getQueryTimeout()).isEqualTo(7);
    }
  }

  private void setQueryTimeout(int seconds) throws SQLException {
    try (Statement statement = database.createStatement()) {
      statement.setQueryTimeout(seconds);
    }
  }

  @Test
  void triesAgainWhatMetAnotherTransaction() {
    spend(store, "1", ONE, NOW);
    for (String state : List.of("40001", "40P01", "90131")) {
      source.failNext(new SQLException("met another", state));
    }

    assertThat(store.balance(ONE, NOW)).isEqualTo(new Balance(1, 0));
    assertThat(log.messages()).isEmpty();
  }

  @Test
  void doesNotTryAgainForEver() {
    for (int i = 0; i < 100; i++) {
      source.failNext(new SQLException("met another", "40001"));
    }

    assertThatThrownBy(() -> store.balance(ONE, NOW)).hasMessageContaining("met another");
    assertThat(source.lent()).isEqualTo(5);
  }

  @Test
  void doesNotTryAgainWhatIsBroken() {
    source.failNext(new SQLException("no such password", "28P01"));

    assertThatThrownBy(() -> store.balance(ONE, NOW))
        .isInstanceOf(IllegalStateException.class)
        .hasMessage(
            "the database of the budget store does not work: no such password (SQL state 28P01)");
    assertThat(source.lent()).isEqualTo(1);
  }

  @Test
  void aThreadThatIsInterruptedReservesNothing() {
    assertThat(store.balance(ONE, NOW)).isEqualTo(new Balance(0, 0));
    Thread.currentThread().interrupt();
    Throwable thrown = catchThrowable(() -> reserve(store, "1", NOW));
    boolean interrupted = Thread.interrupted();

    assertThat(thrown).hasMessageEndingWith("interrupted");
    assertThat(interrupted).isTrue();
    assertThat(store.balance(ONE, NOW)).isEqualTo(new Balance(0, 0));
  }

  @Test
  void aThreadThatIsInterruptedMeanwhileReservesNothing() {
    spend(store, "1", TEN, NOW);
    source.whenLent(() -> Thread.currentThread().interrupt());
    Throwable thrown =
        catchThrowable(() -> store.reserve("2", List.of(TEN), NOW, NOW.plusSeconds(60)));
    boolean interrupted = Thread.interrupted();
    source.whenLent(() -> {});

    assertThat(thrown).hasMessageEndingWith("interrupted");
    assertThat(interrupted).isTrue();
    assertThat(log.messages()).isEmpty();
    assertThat(store.balance(TEN, NOW)).isEqualTo(new Balance(1, 0));
  }

  @Test
  void aFailureInTheMiddleChangesNothing() {
    spend(store, "1", TEN, NOW);
    List<Claim> twice = List.of(TEN, TEN);

    assertThatThrownBy(() -> store.reserve("2", twice, NOW, LEASE))
        .isInstanceOf(IllegalStateException.class);
    assertThat(store.balance(TEN, NOW)).isEqualTo(new Balance(1, 0));
  }

  @Test
  void worksAgainWhenTheDatabaseIsBack() throws SQLException {
    Server server = server("0");
    String counts = "mem:" + UUID.randomUUID() + ";DB_CLOSE_DELAY=-1";
    String url = "jdbc:h2:tcp://127.0.0.1:" + server.getPort() + "/" + counts;
    JdbcDataSource unpooled = new JdbcDataSource();
    unpooled.setUrl(url);
    BudgetStore remote = new JdbcBudgetStore(unpooled);
    spend(remote, "1", ONE, NOW);
    server.stop();

    assertThatThrownBy(() -> reserve(remote, "2", NOW)).isInstanceOf(IllegalStateException.class);
    assertThatThrownBy(() -> remote.balance(ONE, NOW)).isInstanceOf(IllegalStateException.class);
    assertThat(log.messages())
        .singleElement()
        .asString()
        .startsWith("the database of the budget store does not work: ");
    Server again = server(String.valueOf(server.getPort()));
    assertThat(reserve(remote, "3", NOW)).isZero();
    assertThat(remote.balance(ONE, NOW)).isEqualTo(new Balance(1, 0));
    again.stop();

    assertThatThrownBy(() -> remote.balance(ONE, NOW)).isInstanceOf(IllegalStateException.class);
    assertThat(log.messages()).hasSize(2);
  }

  private static Server server(String port) throws SQLException {
    return Server.createTcpServer("-tcpPort", port, "-ifNotExists").start();
  }

  // Tables.

  @Test
  void createsItsTablesWhenItIsFirstAsked() throws SQLException {
    assertThat(store.balance(ONE, NOW)).isEqualTo(new Balance(0, 0));

    assertThat(rows("offmeter_budget")).isZero();
    assertThat(rows("offmeter_budget_reservation")).isZero();
    assertThat(rows("offmeter_budget_slice")).isZero();
  }

  @Test
  void createsTablesOfAnotherNameInASchema() throws SQLException {
    execute("create schema costs");
    BudgetStore elsewhere = new JdbcBudgetStore(source).tablePrefix("costs.llm_");
    spend(elsewhere, "1", ONE, NOW);

    assertThat(rows("costs.llm_budget")).isEqualTo(1);
    assertThat(store.balance(ONE, NOW)).isEqualTo(new Balance(0, 0));
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "1_", "a b_", "x;drop table y", "a.b.c_", "\"q\"", "ä_"})
  void aPrefixThatNoNameBeginsWithIsRejected(String prefix) {
    JdbcBudgetStore any = new JdbcBudgetStore(source);

    assertThatThrownBy(() -> any.tablePrefix(prefix))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith("tablePrefix must be letters, digits and _")
        .hasMessageEndingWith("was '" + prefix + "'");
  }

  @Test
  void createsNoneIfItMustNotAndUsesThoseOfTheDocumentation() throws Exception {
    BudgetStore strict = new JdbcBudgetStore(source).createTables(false);
    assertThatThrownBy(() -> strict.balance(ONE, NOW))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("\"OFFMETER_BUDGET\" not found");

    for (String statement : documentedTables().split(";")) {
      execute(statement);
    }

    spend(strict, "1", ONE, NOW);
    assertThat(strict.balance(ONE, NOW)).isEqualTo(new Balance(1, 0));
  }

  private static String documentedTables() throws IOException {
    Matcher tables =
        Pattern.compile("```sql\n(create table offmeter_budget .*?)```", Pattern.DOTALL)
            .matcher(Files.readString(Path.of("docs/budgets.md")));
    assertThat(tables.find()).isTrue();
    return tables.group(1).strip();
  }

  @Test
  void anOlderTableIsNamedByTheColumnThatItLacks() throws SQLException {
    execute("create table offmeter_budget (id varchar(255) primary key, spent bigint)");

    assertThatThrownBy(() -> reserve(store, "1", NOW))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("Column \"C.WINDOW_END\" not found");
    assertThat(log.messages()).singleElement().asString().contains("WINDOW_END");
    // Repaired, it is used without a restart.
    execute("alter table offmeter_budget add window_end bigint not null");
    assertThat(reserve(store, "1", NOW)).isEqualTo(-1);
  }

  @Test
  void tablesThatWereDroppedAreCreatedAgain() throws SQLException {
    spend(store, "1", ONE, NOW);
    execute("drop all objects");

    assertThatThrownBy(() -> reserve(store, "2", NOW)).isInstanceOf(IllegalStateException.class);
    assertThat(reserve(store, "3", NOW)).isEqualTo(-1);
  }

  @Test
  void aReadOnlyDatabaseIsReadAndReservesNothing() throws SQLException {
    String url = "jdbc:h2:file:" + folder.resolve("counts");
    Claim two = new Claim("one", 1, 2, Instant.MAX, Duration.ZERO);
    try (Connection writable = DriverManager.getConnection(url)) {
      spend(new JdbcBudgetStore(new LentConnection(writable)), "1", two, NOW);
    }
    try (Connection readOnly = DriverManager.getConnection(url + ";ACCESS_MODE_DATA=r")) {
      BudgetStore read = new JdbcBudgetStore(new LentConnection(readOnly));

      assertThatThrownBy(() -> read.reserve("2", List.of(two), NOW, LEASE))
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining("read only");
      assertThat(read.balance(two, NOW)).isEqualTo(new Balance(1, 0));
    }
  }

  // What is old.

  @Test
  void whatIsOldIsDeletedNowAndThen() throws SQLException {
    Instant end = NOW.plusSeconds(60);
    spend(store, "day", new Claim("day", 1, 1, end, Duration.ZERO), NOW);
    Claim hour = new Claim("hour", 1, 1, NOW.plusSeconds(3600), Duration.ofHours(1));
    spend(store, "hour", hour, NOW);
    spend(store, "ever", ONE, NOW);
    execute(
        "insert into offmeter_budget_reservation select 'old', x, 1, 0, true"
            + " from system_range(1, 2500)");

    Instant later = NOW.plus(Duration.ofDays(2));
    Claim more = new Claim("more", 1, 10, Instant.MAX, Duration.ZERO);
    for (int i = 0; i < 3; i++) {
      spend(store, "more " + i, more, later.plusSeconds(i));
    }

    assertThat(log.messages()).isEmpty();
    assertThat(rows("offmeter_budget_reservation")).isEqualTo(3);
    assertThat(rows("offmeter_budget_slice")).isZero();
    assertThat(rows("offmeter_budget")).isEqualTo(2);
    assertThat(store.balance(ONE, later)).isEqualTo(new Balance(1, 0));
  }

  @Test
  void whatIsYoungIsKept() throws SQLException {
    Instant end = NOW.plusSeconds(60);
    spend(store, "day", new Claim("day", 1, 1, end, Duration.ZERO), NOW);
    spend(store, "1", ONE, NOW.plus(Duration.ofMinutes(59)));

    assertThat(rows("offmeter_budget_reservation")).isEqualTo(2);
    assertThat(rows("offmeter_budget")).isEqualTo(2);
  }

  @Test
  void aWindowThatRollsHasNoMoreSlicesThanParts() throws SQLException {
    for (int minute = 0; minute < 200; minute++) {
      Instant now = NOW.plus(Duration.ofMinutes(minute));
      Claim rolling = new Claim("r", 1, 100, now.plusSeconds(3600), Duration.ofHours(1));
      spend(store, "at " + minute, rolling, now);
    }

    assertThat(rows("offmeter_budget_slice")).isBetween(60L, 61L);
  }

  @Test
  void aWindowThatRollsForLongerThanBeforeForgetsNothingEarly() {
    Claim hour = new Claim("r", 1, 1, LEASE, Duration.ofHours(1));
    spend(store, "1", hour, NOW);

    Claim day = new Claim("r", 1, 1, LEASE, Duration.ofHours(24));
    assertThat(store.balance(day, NOW.plus(Duration.ofHours(24)))).isEqualTo(new Balance(1, 0));
    assertThat(store.balance(day, NOW.plus(Duration.ofHours(25)))).isEqualTo(new Balance(0, 0));
  }
}
