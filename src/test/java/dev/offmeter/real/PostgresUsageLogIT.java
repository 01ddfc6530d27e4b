// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.real;

import static dev.offmeter.testing.Loopback.awaitSoon;
import static dev.offmeter.testing.Loopback.ollama;
import static org.assertj.core.api.Assertions.assertThat;

import com.zaxxer.hikari.HikariDataSource;
import dev.offmeter.LlmClient;
import dev.offmeter.integration.jdbc.JdbcUsageLog;
import dev.offmeter.integration.jdbc.PooledStores;
import dev.offmeter.integration.jdbc.UsageLogContract;
import dev.offmeter.meter.UsageLogStatus;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.UsageRows;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.stream.IntStream;
import javax.sql.DataSource;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The table of usage in PostgreSQL, which is also stopped and started again. */
@Timeout(60)
@Needs(Program.POSTGRES)
class PostgresUsageLogIT extends UsageLogContract {
  private static Postgres postgres;
  private static HikariDataSource pool;

  @RegisterExtension final Loopback loopback = new Loopback();

  @BeforeAll
  static void start() {
    postgres = Postgres.started();
    pool = postgres.pool();
  }

  @AfterAll
  static void stop() {
    if (pool != null) {
      pool.close();
    }
    if (postgres != null) {
      postgres.close();
    }
  }

  @Override
  protected DataSource dataSource() {
    return pool;
  }

  private LlmClient client(DataSource database) {
    Node home = loopback.node(OllamaReplies.answering("Dear", " Ms Kern"));
    return loopback.client(
        LlmClient.builder()
            .endpoint(ollama("home", home).build())
            .usageLog(new JdbcUsageLog(database)));
  }

  private static void ask(LlmClient client, int times) {
    IntStream.range(0, times).forEach(i -> client.chat("a reminder"));
  }

  private static UsageLogStatus status(LlmClient client) {
    return client.meter().usageLog().orElseThrow();
  }

  private static long rows(String where) throws SQLException {
    try (Connection connection = pool.getConnection();
        Statement statement = connection.createStatement();
        ResultSet count =
            statement.executeQuery("SELECT count(*) FROM offmeter_usage WHERE " + where)) {
      assertThat(count.next()).isTrue();
      return count.getLong(1);
    }
  }

  @Test
  void aDatabaseThatGoesAwayAndComesBackLosesNothing() throws Exception {
    LlmClient client = client(pool);
    ask(client, 5);
    awaitSoon(() -> status(client).written() == 5);
    postgres.stop();
    ask(client, 7);
    awaitSoon(() -> !status(client).working());
    ask(client, 2);
    postgres.start();
    awaitSoon(() -> status(client).written() == 14);

    assertThat(rows("outcome = 'ANSWERED'")).isEqualTo(14);
    assertThat(status(client)).isEqualTo(new UsageLogStatus(14, 0, 0, 0, true));
  }

  @Test
  void whoeverMayWriteNeedNotBeAbleToCreate() throws Exception {
    new JdbcUsageLog(pool).write(UsageRows.ofCalls(1, 1));
    postgres.execute("DROP ROLE IF EXISTS writer");
    postgres.execute("CREATE ROLE writer LOGIN");
    postgres.execute("GRANT SELECT, INSERT ON offmeter_usage TO writer");
    try (HikariDataSource writer = PooledStores.pool(postgres.urlFor("writer"))) {
      new JdbcUsageLog(writer).write(UsageRows.ofCalls(2, 2));
    }

    assertThat(rows("call_id = 2")).isEqualTo(1);
    postgres.execute("REVOKE ALL ON offmeter_usage FROM writer");
    postgres.execute("DROP ROLE writer");
  }

  @Test
  void theQueriesOfTheDocumentationRun() throws Exception {
    new JdbcUsageLog(pool).write(UsageRows.ofCalls(1, 3));
    String feature = "tags::json ->> 'feature' = 'Zoë''s \"follow-up\"'";

    assertThat(rows(feature)).isEqualTo(3);
    execute(
        "SELECT date_trunc('month', ended_at) AS month, tags::json ->> 'feature' AS feature,"
            + " currency, sum(cost) AS cost, sum(cost) FILTER (WHERE possibly_billed) AS"
            + " possibly_billed, count(*) FILTER (WHERE cost IS NULL) AS of_unknown_cost,"
            + " count(DISTINCT (client_id, call_id)) AS calls FROM offmeter_usage"
            + " GROUP BY 1, 2, 3 ORDER BY 1, 4 DESC NULLS LAST");
    execute(
        "SELECT CAST(ended_at AS DATE) AS day, model, outcome, count(*), sum(cost)"
            + " FROM offmeter_usage WHERE endpoint = 'reserve' AND possibly_billed"
            + " GROUP BY 1, 2, 3 ORDER BY 1");
  }
}
