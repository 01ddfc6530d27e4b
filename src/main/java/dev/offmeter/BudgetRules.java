// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import dev.offmeter.guard.Budget;
import dev.offmeter.internal.http.EndpointConfig;
import dev.offmeter.meter.Price;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** Rejects budgets that could not hold with a client's endpoints and prices. */
final class BudgetRules {
  private BudgetRules() {}

  /**
   * Checks the budgets.
   *
   * @throws IllegalStateException if two have one name, one is of an endpoint that is not there,
   *     one of money is of another currency than the prices, or an endpoint under one of money has
   *     no price
   */
  static void check(List<Budget> budgets, List<EndpointConfig> configs) {
    Set<String> names = new HashSet<>();
    for (Budget budget : budgets) {
      if (!names.add(budget.name())) {
        throw new IllegalStateException("budget '" + budget.name() + "' is configured twice");
      }
      requireEndpoint(budget, configs);
      if (budget.unit() == Budget.Unit.MONEY) {
        configs.stream()
            .filter(config -> isUnder(budget, config))
            .forEach(config -> requirePrice(budget, config));
      }
    }
  }

  private static void requireEndpoint(Budget budget, List<EndpointConfig> configs) {
    List<String> all = configs.stream().map(EndpointConfig::name).toList();
    if (budget.endpoint().isPresent() && !all.contains(budget.endpoint().get())) {
      throw new IllegalStateException(
          "budget '"
              + budget.name()
              + "' must be of one of the endpoints "
              + String.join(", ", all)
              + ", was of '"
              + budget.endpoint().get()
              + "'");
    }
  }

  private static boolean isUnder(Budget budget, EndpointConfig config) {
    return budget.endpoint().isEmpty() || budget.endpoint().get().equals(config.name());
  }

  private static void requirePrice(Budget budget, EndpointConfig config) {
    Price price = config.price();
    if (price == null) {
      throw new IllegalStateException(
          "endpoint '"
              + config.name()
              + "' must have a price, because budget '"
              + budget.name()
              + "' limits money: declare one with Endpoint.Builder.price or"
              + " LlmClient.Builder.prices");
    }
    if (!price.currency().isEmpty() && !price.currency().equals(budget.currency())) {
      throw new IllegalStateException(
          "budget '"
              + budget.name()
              + "' must be in the currency of the prices, "
              + price.currency()
              + ", was in "
              + budget.currency());
    }
  }
}
