// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.jdbc;

import com.zaxxer.hikari.HikariDataSource;
import dev.offmeter.guard.BudgetStore;
import dev.offmeter.guard.SharedBudgetStoreContract;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;

/** The contract on H2 in this process, through a pool of a few connections. */
class H2BudgetStoreTest extends SharedBudgetStoreContract {
  private HikariDataSource pool = pool();

  private static HikariDataSource pool() {
    HikariDataSource pool = new HikariDataSource();
    pool.setJdbcUrl("jdbc:h2:mem:" + UUID.randomUUID());
    pool.setMaximumPoolSize(8);
    return pool;
  }

  @AfterEach
  void close() {
    pool.close();
  }

  @Override
  protected BudgetStore fresh() {
    pool.close();
    pool = pool();
    return new JdbcBudgetStore(pool);
  }

  @Override
  protected BudgetStore second() {
    return new JdbcBudgetStore(pool);
  }
}
