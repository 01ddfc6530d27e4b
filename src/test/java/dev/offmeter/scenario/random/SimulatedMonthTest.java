// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.random;

import com.zaxxer.hikari.HikariDataSource;
import dev.offmeter.guard.BudgetStore;
import dev.offmeter.integration.jdbc.JdbcBudgetStore;
import dev.offmeter.integration.jdbc.PooledStores;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Seeds;
import java.time.Instant;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * A month of random calls, failures, closed streams and restarts, over providers that write bills
 * of their own: the meters agree with the bills to the last digit where usage is reported, and lie
 * above them where they had to estimate; no budget is passed in any of its windows.
 */
@Timeout(120)
class SimulatedMonthTest {
  /** Five days before the day of 25 hours in Zurich, and twelve before a month. */
  private static final Instant OCTOBER = Instant.parse("2026-10-20T12:00:00Z");

  /** Nine days before the day of 23 hours. */
  private static final Instant MARCH = Instant.parse("2026-03-20T12:00:00Z");

  @RegisterExtension final Loopback loopback = new Loopback();

  private final ManualTime time = loopback.manualTime();

  static LongStream seeds() {
    return Seeds.orElse(1, 2);
  }

  @ParameterizedTest
  @MethodSource("seeds")
  void inAMonthWithADayOf25HoursMetersBudgetsAndBillsAgree(long seed) {
    BudgetStore store = BudgetStore.inMemory();
    time.startAt(OCTOBER);

    replayable(seed, () -> new SimulatedMonth(loopback, time, seed, () -> store).run());
  }

  @ParameterizedTest
  @MethodSource("seeds")
  void inAMonthWithADayOf23HoursMetersADatabaseAndBillsAgree(long seed) {
    time.startAt(MARCH);

    try (HikariDataSource pool = PooledStores.pool("jdbc:h2:mem:month-" + seed)) {
      replayable(
          seed,
          () -> new SimulatedMonth(loopback, time, seed, () -> new JdbcBudgetStore(pool)).run());
    }
  }

  private static void replayable(long seed, Runnable month) {
    try {
      month.run();
    } catch (AssertionError e) {
      throw new AssertionError(Seeds.replayHint(seed), e);
    }
  }
}
