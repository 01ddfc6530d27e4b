// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.micrometer;

import dev.offmeter.guard.BudgetStatus;
import dev.offmeter.meter.UsageLogStatus;
import dev.offmeter.observe.ClientStatus;
import dev.offmeter.observe.EndpointStatus;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.ToDoubleFunction;

/**
 * All that the gauges show of one moment.
 *
 * @param budgets by name; of one that counts by a tag or by session, the count that is nearest to
 *     the limit, because each value of a tag would make a time series
 * @param takenAt nanoseconds of the registry's clock
 */
record StatusSnapshot(
    ClientStatus status,
    Map<String, BudgetLevel> budgets,
    Optional<UsageLogStatus> usageLog,
    long takenAt) {
  static StatusSnapshot of(OffmeterMetrics.Source source, long now) {
    Map<String, BudgetLevel> budgets = new HashMap<>();
    for (BudgetStatus budget : source.budgets().get()) {
      budgets.merge(budget.budget().name(), BudgetLevel.of(budget), BudgetLevel::fuller);
    }
    return new StatusSnapshot(source.status().get(), budgets, source.usageLog().get(), now);
  }

  EndpointStatus endpoint(int index) {
    return status.endpoints().get(index);
  }

  /** Returns a number of a budget; NaN while it is not known, as when its store does not work. */
  double budget(String name, ToDoubleFunction<BudgetLevel> number) {
    BudgetLevel level = budgets.get(name);
    return level == null ? Double.NaN : number.applyAsDouble(level);
  }
}
