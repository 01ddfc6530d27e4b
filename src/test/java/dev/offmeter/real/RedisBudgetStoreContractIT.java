// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.real;

import dev.offmeter.guard.BudgetStore;
import dev.offmeter.guard.SharedBudgetStoreContract;
import dev.offmeter.integration.redis.RedisBudgetStore;
import io.lettuce.core.RedisClient;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;

/** The contract of a budget store, kept by the one in Redis. */
@Needs(Program.REDIS_SERVER)
class RedisBudgetStoreContractIT extends SharedBudgetStoreContract {
  @TempDir static Path folder;
  private static RedisServer server;
  private static RedisClient client;
  private static RedisClient other;
  private static int stores;

  @BeforeAll
  static void start() {
    server = RedisServer.started(folder);
    client = RedisClient.create(server.uri());
    other = RedisClient.create(server.uri());
  }

  @AfterAll
  static void stop() {
    if (server != null) {
      other.shutdown();
      client.shutdown();
      server.close();
    }
  }

  @Override
  protected BudgetStore fresh() {
    stores++;
    return RedisServer.connected(new RedisBudgetStore(client, "test-" + stores));
  }

  @Override
  protected BudgetStore second() {
    return RedisServer.connected(new RedisBudgetStore(other, "test-" + stores));
  }
}
