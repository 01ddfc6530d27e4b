// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.real;

import dev.offmeter.scenario.costs.SharedBudgetContract;
import dev.offmeter.testing.SharedStores;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;

/** Processes that share a budget through Redis. */
@Needs(Program.REDIS_SERVER)
class RedisSharedBudgetIT extends SharedBudgetContract {
  @TempDir Path folder;
  private RedisServer server;

  @BeforeEach
  void start() {
    server = RedisServer.started(folder);
  }

  @AfterEach
  void stop() {
    server.close();
  }

  @Override
  protected Class<? extends SharedStores> stores() {
    return RedisStores.class;
  }

  @Override
  protected String address() {
    return server.uri().toURI().toString();
  }
}
