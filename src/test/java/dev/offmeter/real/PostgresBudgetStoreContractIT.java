// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.real;

import com.zaxxer.hikari.HikariDataSource;
import dev.offmeter.guard.BudgetStore;
import dev.offmeter.guard.SharedBudgetStoreContract;
import dev.offmeter.integration.jdbc.JdbcBudgetStore;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;

/** The contract of a budget store on PostgreSQL. */
@Needs(Program.POSTGRES)
class PostgresBudgetStoreContractIT extends SharedBudgetStoreContract {
  private static Postgres postgres;
  private static HikariDataSource pool;
  private static int stores;

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
  protected BudgetStore fresh() {
    stores++;
    return second();
  }

  @Override
  protected BudgetStore second() {
    return new JdbcBudgetStore(pool).tablePrefix("t" + stores + "_");
  }
}
