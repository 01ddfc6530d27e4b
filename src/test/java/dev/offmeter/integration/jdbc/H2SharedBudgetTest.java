// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.jdbc;

import dev.offmeter.scenario.costs.SharedBudgetContract;
import dev.offmeter.testing.SharedStores;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.UUID;
import org.h2.tools.Server;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;

/** Processes that share a budget through a server of H2. */
class H2SharedBudgetTest extends SharedBudgetContract {
  @TempDir Path folder;

  private Server server;
  private String url;

  @BeforeEach
  void start() throws SQLException {
    server =
        Server.createTcpServer("-tcpPort", "0", "-baseDir", folder.toString(), "-ifNotExists")
            .start();
    url = "jdbc:h2:tcp://127.0.0.1:" + server.getPort() + "/./" + UUID.randomUUID();
  }

  @AfterEach
  void stop() {
    server.stop();
  }

  @Override
  protected Class<? extends SharedStores> stores() {
    return PooledStores.class;
  }

  @Override
  protected String address() {
    return url;
  }
}
