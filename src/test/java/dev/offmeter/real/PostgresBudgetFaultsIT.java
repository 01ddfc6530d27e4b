// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.real;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import ch.qos.logback.classic.Level;
import com.zaxxer.hikari.HikariDataSource;
import dev.offmeter.LlmClient;
import dev.offmeter.guard.BudgetStore;
import dev.offmeter.guard.BudgetStore.Balance;
import dev.offmeter.guard.BudgetStore.Claim;
import dev.offmeter.integration.jdbc.JdbcBudgetStore;
import dev.offmeter.integration.jdbc.PooledStores;
import dev.offmeter.testing.BudgetedProgram;
import dev.offmeter.testing.LoggedEvents;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.ServerReplies;
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
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Budgets in a PostgreSQL that is stopped, read-only, refuses, or is not as it should be. */
@Timeout(120)
@Needs(Program.POSTGRES)
class PostgresBudgetFaultsIT {
  private static final Instant NOW = Instant.parse("2026-11-18T12:00:00Z");
  private static final Claim TWO = new Claim("two", 1, 2, Instant.MAX, Duration.ZERO);

  @RegisterExtension final Loopback loopback = new Loopback();
  @RegisterExtension final LoggedEvents log = new LoggedEvents(Level.WARN);

  private Postgres postgres;
  private HikariDataSource pool;
  private BudgetStore store;

  @BeforeEach
  void start() {
    postgres = Postgres.started();
    pool = postgres.pool();
    store = new JdbcBudgetStore(pool);
  }

  @AfterEach
  void stop() {
    pool.close();
    postgres.close();
  }

  private static int reserve(BudgetStore store, String reservation) {
    return store.reserve(reservation, List.of(TWO), NOW, NOW.plusSeconds(60));
  }

  private static void spend(BudgetStore store, String reservation) {
    assertThat(reserve(store, reservation)).isEqualTo(-1);
    store.settle(reservation, List.of(TWO), List.of(1L), NOW);
  }

  private static void assertRefused(BudgetStore store, String reason) {
    assertThatThrownBy(() -> reserve(store, "refused"))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageStartingWith("the database of the budget store does not work: ")
        .hasMessageContaining(reason);
  }

  @Test
  void countsGoOnWhenItIsStoppedAndStartedAgain() {
    spend(store, "1");
    postgres.stop();
    assertThatThrownBy(() -> reserve(store, "2")).isInstanceOf(IllegalStateException.class);
    postgres.start();

    spend(store, "3");
    assertThat(reserve(store, "4")).isZero();
    assertThat(store.balance(TWO, NOW)).isEqualTo(new Balance(2, 0));
  }

  @Test
  void noCallFailsWhileItIsDownAndTheReserveIsAskedWhenItIsBack() {
    Node primary = loopback.node(OllamaReplies.status(500, "text/plain", "broken"));
    Node reserve = loopback.node(ServerReplies.openAi("Dear Ms Kern"));
    postgres.stop();
    LlmClient client =
        loopback.client(
            BudgetedProgram.list(LlmClient.builder(), store, "one", primary.url(), reserve.url()));
    assertThat(client.chat("a reminder").endpoint()).isEqualTo("template");
    assertThat(reserve.requests()).isEmpty();
    postgres.start();

    assertThat(client.chat("a reminder").endpoint()).isEqualTo("reserve");
    assertThat(client.chat("a reminder").endpoint()).isEqualTo("template");
    assertThat(reserve.requests()).hasSize(1);
  }

  @Test
  void aReadOnlyDatabaseIsReadAndReservesNothing() {
    spend(store, "1");
    postgres.execute("alter role offmeter set default_transaction_read_only = on");
    try (HikariDataSource readOnly = postgres.pool()) {
      BudgetStore read = new JdbcBudgetStore(readOnly);

      assertRefused(read, "read-only transaction (SQL state 25006)");
      assertThat(read.balance(TWO, NOW)).isEqualTo(new Balance(1, 0));
    }
  }

  @Test
  void aUserWithoutRightsIsNamedByTheDatabase() {
    spend(store, "1");
    postgres.execute("create role guest login");
    try (HikariDataSource guests = PooledStores.pool(postgres.urlFor("guest"))) {
      BudgetStore refused = new JdbcBudgetStore(guests);

      assertRefused(refused, "permission denied for ");
      assertThat(log.messages()).singleElement().asString().contains("SQL state 42501");
      // Rights that are given are used without a restart.
      postgres.execute(
          "grant select, insert, update, delete on all tables in schema public to guest");
      spend(refused, "2");
    }
  }

  @Test
  void aUserWhoMayNotCreateTablesNamesThoseThatAreMissing() {
    postgres.execute("create role guest login");
    try (HikariDataSource guests = PooledStores.pool(postgres.urlFor("guest"))) {
      assertRefused(new JdbcBudgetStore(guests), "permission denied for schema public");
      assertRefused(
          new JdbcBudgetStore(guests).createTables(false),
          "relation \"offmeter_budget\" does not exist");
    }
  }

  @Test
  void aDatabaseThatIsNotThereIsNamed() {
    try (HikariDataSource wrong =
        PooledStores.pool(postgres.url().replace("/postgres?", "/nowhere?"))) {
      assertRefused(new JdbcBudgetStore(wrong), "database \"nowhere\" does not exist");
    }
  }

  @Test
  void anOlderTableIsNamedByTheColumnThatItLacks() {
    postgres.execute("create table offmeter_budget (id varchar(255) primary key, spent bigint)");

    assertRefused(store, "column c.window_end does not exist");
    postgres.execute("alter table offmeter_budget add window_end bigint not null");
    spend(store, "1");
  }

  @Test
  void theTablesOfTheDocumentationWill() throws IOException {
    Matcher tables =
        Pattern.compile("```sql\n(create table offmeter_budget .*?)```", Pattern.DOTALL)
            .matcher(Files.readString(Path.of("docs/budgets.md")));
    assertThat(tables.find()).isTrue();
    postgres.execute(tables.group(1));

    spend(new JdbcBudgetStore(pool).createTables(false), "1");
  }

  /** Each sees what was committed while it waited for the count, whatever the pool is set to. */
  @ParameterizedTest
  @ValueSource(strings = {"TRANSACTION_REPEATABLE_READ", "TRANSACTION_SERIALIZABLE"})
  void theLimitHoldsWhateverTheIsolationOfThePool(String isolation) throws Exception {
    try (HikariDataSource strict = new HikariDataSource()) {
      strict.setJdbcUrl(postgres.url());
      strict.setTransactionIsolation(isolation);
      BudgetStore isolated = new JdbcBudgetStore(strict);
      spend(isolated, "first");
      Claim claim = new Claim("two", 1, 21, Instant.MAX, Duration.ZERO);

      assertThat(reserveAtOnce(isolated, claim).filter(refused -> refused < 0)).hasSize(20);
    }
  }

  private static Stream<Integer> reserveAtOnce(BudgetStore store, Claim claim) {
    ExecutorService threads = Executors.newFixedThreadPool(64);
    try {
      List<CompletableFuture<Integer>> all =
          IntStream.range(0, 64)
              .mapToObj(
                  i ->
                      CompletableFuture.supplyAsync(
                          () -> {
                            String name = "at once " + i;
                            return store.reserve(name, List.of(claim), NOW, NOW.plusSeconds(60));
                          },
                          threads))
              .toList();
      List<Integer> results = all.stream().map(CompletableFuture::join).toList();
      return results.stream();
    } finally {
      threads.shutdownNow();
    }
  }

  @Test
  void aProcessThatStandsStillInATransactionHoldsOthersUpForSecondsOnly() throws Exception {
    spend(store, "1");
    String url = postgres.url() + "&options=-c%20idle_in_transaction_session_timeout=2s";
    try (Connection other = DriverManager.getConnection(url);
        Statement statement = other.createStatement()) {
      other.setAutoCommit(false);
      statement.execute("select id from offmeter_budget where id = 'two' for update");
      assertRefused(store, "SQL state 57014");

      await().ignoreExceptions().until(() -> reserve(store, "2") == -1);
      assertThat(other.isValid(1)).isFalse();
    }
  }

  @Test
  void oldRowsAreDeleted() throws Exception {
    spend(store, "1");
    postgres.execute(
        "insert into offmeter_budget_reservation select 'old', x, 1, 0, true"
            + " from generate_series(1, 1500) x");
    postgres.execute("insert into offmeter_budget values ('ended', 1, 0)");
    postgres.execute("insert into offmeter_budget_slice values ('ended', 0, 1)");
    Instant later = NOW.plus(Duration.ofDays(1));
    for (String name : List.of("2", "3")) {
      store.settle(name, List.of(TWO), List.of(1L), later);
    }

    assertThat(rows("offmeter_budget_reservation")).isEqualTo(2);
    assertThat(rows("offmeter_budget")).isEqualTo(1);
    assertThat(rows("offmeter_budget_slice")).isZero();
    assertThat(log.messages()).isEmpty();
  }

  private long rows(String table) throws SQLException {
    try (Connection connection = pool.getConnection();
        Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery("select count(*) from " + table)) {
      row.next();
      return row.getLong(1);
    }
  }

  /** The application's own use of the table, or an administrator's, is waited for no longer. */
  @Test
  void aTableThatSomebodyHasLockedIsGivenUpAfterASecond() throws Exception {
    spend(store, "1");
    try (Connection other = pool.getConnection();
        Statement statement = other.createStatement()) {
      other.setAutoCommit(false);
      statement.execute("lock table offmeter_budget");
      assertRefused(store, "canceling statement due to user request (SQL state 57014)");
      other.rollback();
    }

    assertThat(reserve(store, "2")).isEqualTo(-1);
  }
}
