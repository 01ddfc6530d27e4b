// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.real;

import dev.offmeter.guard.BudgetStore;
import dev.offmeter.integration.redis.RedisBudgetStore;
import dev.offmeter.testing.SharedStores;
import io.lettuce.core.RedisClient;

/** Opens stores in the Redis at a URI. */
public final class RedisStores implements SharedStores {
  /** Creates it. */
  public RedisStores() {}

  @Override
  public BudgetStore open(String uri) {
    return RedisServer.connected(new RedisBudgetStore(RedisClient.create(uri)));
  }
}
