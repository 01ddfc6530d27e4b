// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.jdbc;

import static dev.offmeter.testing.Loopback.awaitSoon;
import static dev.offmeter.testing.Loopback.ollama;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ch.qos.logback.classic.Level;
import dev.offmeter.ClientInternals;
import dev.offmeter.LlmClient;
import dev.offmeter.meter.UsageLogStatus;
import dev.offmeter.testing.LoggedEvents;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.UsageRows;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.lang.reflect.Proxy;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.Statement;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.stream.IntStream;
import javax.sql.DataSource;
import org.h2.jdbcx.JdbcDataSource;
import org.h2.tools.Server;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** A table in H2, and a database that goes away, is read-only or is slow. */
@Timeout(30)
class H2UsageLogTest extends UsageLogContract {
  @RegisterExtension final Loopback loopback = new Loopback();
  @RegisterExtension final LoggedEvents logged = new LoggedEvents(Level.WARN);

  @TempDir private Path folder;

  private final Node home = loopback.node(OllamaReplies.answering("Dear", " Ms Kern"));
  private final ManualTime time = loopback.manualTime();

  @Override
  protected DataSource dataSource() {
    return h2("jdbc:h2:mem:usage;DB_CLOSE_DELAY=-1");
  }

  private static JdbcDataSource h2(String url) {
    JdbcDataSource source = new JdbcDataSource();
    source.setURL(url);
    return source;
  }

  private LlmClient client(DataSource database) {
    return loopback.client(builder(database));
  }

  private LlmClient.Builder builder(DataSource database) {
    return ClientInternals.builder(time)
        .endpoint(ollama("home", home).build())
        .usageLog(new JdbcUsageLog(database));
  }

  private static void ask(LlmClient client, int times) {
    IntStream.range(0, times).forEach(i -> client.chat("a reminder"));
  }

  private static UsageLogStatus status(LlmClient client) {
    return client.meter().usageLog().orElseThrow();
  }

  private static int freePort() throws Exception {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    }
  }

  private Server server(int port) throws Exception {
    return Server.createTcpServer(
            "-tcpPort", String.valueOf(port), "-ifNotExists", "-baseDir", folder.toString())
        .start();
  }

  private static String url(int port) {
    return "jdbc:h2:tcp://127.0.0.1:" + port + "/./usage";
  }

  private static long rows(DataSource database) throws Exception {
    try (Connection connection = database.getConnection();
        Statement statement = connection.createStatement();
        ResultSet count =
            statement.executeQuery(
                "SELECT count(DISTINCT client_id || call_id), count(*) FROM " + TABLE)) {
      assertThat(count.next()).isTrue();
      assertThat(count.getLong(1)).as("none is doubled").isEqualTo(count.getLong(2));
      return count.getLong(1);
    }
  }

  private void advanceUntilWritten(LlmClient client, long rows) {
    awaitSoon(
        () -> {
          time.advance(Duration.ofSeconds(1));
          return status(client).written() == rows;
        });
  }

  private static boolean isEmpty(Path file) throws IOException {
    return Files.size(file) == 0;
  }

  @Test
  void rowsOfCallsAreInTheTable() throws Exception {
    LlmClient client = client(dataSource());
    ask(client, 3);
    client.close();

    assertThat(rows(dataSource())).isEqualTo(3);
  }

  @Test
  void aDatabaseThatGoesAwayAndComesBackLosesNothing() throws Exception {
    int port = freePort();
    Server server = server(port);
    DataSource database = h2(url(port));
    try {
      LlmClient client = client(database);
      ask(client, 5);
      advanceUntilWritten(client, 5);
      server.stop();
      ask(client, 7);
      time.advance(Duration.ofSeconds(1));
      awaitSoon(() -> !status(client).working());
      ask(client, 2);
      assertThat(status(client).waiting()).isEqualTo(9);
      server = server(port);
      advanceUntilWritten(client, 14);

      assertThat(rows(database)).isEqualTo(14);
      assertThat(status(client)).isEqualTo(new UsageLogStatus(14, 0, 0, 0, true));
      assertThat(logged.messages().stream().filter(line -> line.contains("does not work")))
          .hasSize(1);
      client.close();
    } finally {
      server.stop();
    }
  }

  @Test
  void aDatabaseThatIsDownAtTheStartIsWrittenToWhenItIsUp() throws Exception {
    int port = freePort();
    LlmClient client =
        loopback.client(builder(h2(url(port))).usageLogSpill(folder.resolve("spill")));
    ask(client, 3);
    time.advance(Duration.ofSeconds(1));
    awaitSoon(() -> !status(client).working());
    client.close();
    assertThat(status(client).spilled()).isEqualTo(3);

    Server server = server(port);
    try {
      LlmClient next =
          loopback.client(builder(h2(url(port))).usageLogSpill(folder.resolve("spill")));
      ask(next, 1);
      time.advance(Duration.ofSeconds(1));
      awaitSoon(() -> status(next).written() == 1 && isEmpty(folder.resolve("spill")));
      next.close();

      assertThat(rows(h2(url(port)))).isEqualTo(4);
    } finally {
      server.stop();
    }
  }

  @Test
  void aDatabaseThatIsReadOnlyFailsNoCall() throws Exception {
    String file = "jdbc:h2:" + folder.resolve("usage");
    new JdbcUsageLog(h2(file)).write(UsageRows.ofCalls(1, 1));
    LlmClient client = client(h2(file + ";ACCESS_MODE_DATA=r"));
    ask(client, 2);
    client.close();

    assertThat(status(client)).isEqualTo(new UsageLogStatus(0, 0, 0, 2, false));
    assertThat(logged.messages().get(0)).contains("read only");
  }

  @Test
  void anOlderTableIsWarnedOfOnceByTheNameOfItsColumn() throws Exception {
    new JdbcUsageLog(dataSource()).write(UsageRows.ofCalls(1, 1));
    execute("ALTER TABLE " + TABLE + " DROP COLUMN session");
    LlmClient client = client(dataSource());
    ask(client, 2);
    time.advance(Duration.ofSeconds(1));
    awaitSoon(() -> !status(client).working());
    client.close();

    assertThat(status(client).lost()).isEqualTo(2);
    assertThat(logged.messages())
        .filteredOn(line -> line.contains("does not work"))
        .singleElement()
        .asString()
        .contains("table offmeter_usage lacks session: ALTER TABLE");
  }

  @Test
  void aDatabaseThatHangsHoldsUpNoCall() {
    CountDownLatch released = new CountDownLatch(1);
    DataSource hanging =
        (DataSource)
            Proxy.newProxyInstance(
                getClass().getClassLoader(),
                new Class<?>[] {DataSource.class},
                (proxy, method, arguments) -> {
                  released.await();
                  return dataSource().getConnection();
                });
    LlmClient client = client(hanging);
    ask(client, 1);
    time.advance(Duration.ofSeconds(1));
    ask(client, 50);

    assertThat(status(client).written()).isZero();
    assertThat(status(client).waiting()).isEqualTo(51);
    released.countDown();
    client.close();
    assertThat(status(client).written()).isEqualTo(51);
  }

  @Test
  void aMessageHasNoAddressWithItsPassword() {
    DataSource wrong =
        (DataSource)
            Proxy.newProxyInstance(
                getClass().getClassLoader(),
                new Class<?>[] {DataSource.class},
                (proxy, method, arguments) ->
                    DriverManager.getConnection("jdbc:nobodys://u:secret@host/db"));

    assertThatThrownBy(() -> new JdbcUsageLog(wrong).write(UsageRows.ofCalls(1, 1)))
        .hasMessage("No suitable driver found for jdbc:*** (SQL state 08001)")
        .satisfies(
            thrown -> {
              StringWriter all = new StringWriter();
              thrown.printStackTrace(new PrintWriter(all));
              assertThat(all.toString()).doesNotContain("secret");
            });
  }
}
