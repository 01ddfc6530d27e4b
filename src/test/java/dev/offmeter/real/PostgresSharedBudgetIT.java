// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.real;

import dev.offmeter.integration.jdbc.PooledStores;
import dev.offmeter.scenario.costs.SharedBudgetContract;
import dev.offmeter.testing.SharedStores;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/** Processes that share a budget through PostgreSQL. */
@Needs(Program.POSTGRES)
class PostgresSharedBudgetIT extends SharedBudgetContract {
  private Postgres postgres;

  @BeforeEach
  void start() {
    postgres = Postgres.started();
  }

  @AfterEach
  void stop() {
    postgres.close();
  }

  @Override
  protected Class<? extends SharedStores> stores() {
    return PooledStores.class;
  }

  @Override
  protected String address() {
    return postgres.url();
  }
}
