// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.real;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.integration.jdbc.PooledStores;
import dev.offmeter.scenario.costs.SharedBudgetContract;
import dev.offmeter.testing.SharedStores;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

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

  @Test
  void processesGoOnWithTheBudgetWhenTheDatabaseIsBack() {
    withProcesses(
        () -> {
          round("before");
          postgres.stop();
          Round down = round("down");
          assertThat(down.asked()).as(down.answers()).isZero();
          assertThat(down.late()).isTrue();
          postgres.start();

          // The pools find their connections again within seconds.
          Round back = round("back-1");
          for (int round = 2; back.late() && round <= 20; round++) {
            assertThat(back.asked()).isLessThanOrEqualTo(1);
            back = round("back-" + round);
          }
          assertThat(back.asked()).as(back.answers()).isEqualTo(1);
        });
  }
}
