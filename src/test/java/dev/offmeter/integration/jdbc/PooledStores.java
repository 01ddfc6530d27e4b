// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.jdbc;

import com.zaxxer.hikari.HikariDataSource;
import dev.offmeter.guard.BudgetStore;
import dev.offmeter.testing.SharedStores;

/** Opens stores in the database at a JDBC URL, through a pool of a few connections. */
public final class PooledStores implements SharedStores {
  /** Creates it. */
  public PooledStores() {}

  @Override
  public BudgetStore open(String url) {
    return new JdbcBudgetStore(pool(url));
  }

  /** Returns a pool as it should be set for a budget store. */
  public static HikariDataSource pool(String url) {
    HikariDataSource pool = new HikariDataSource();
    pool.setJdbcUrl(url);
    pool.setMaximumPoolSize(8);
    pool.setConnectionTimeout(1_000);
    return pool;
  }
}
