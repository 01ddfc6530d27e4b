// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.budget;

import dev.offmeter.ChatRequest;
import dev.offmeter.guard.Budget;
import dev.offmeter.internal.http.EndpointConfig;
import dev.offmeter.internal.meter.TokenEstimator;
import dev.offmeter.meter.Price;
import java.time.Duration;

/** The most that one request to one endpoint can use. */
final class WorstCase {
  private final EndpointConfig config;
  private final ChatRequest request;
  private final Duration time;

  /**
   * Creates the worst case.
   *
   * @param time the longest that the attempt may take
   */
  WorstCase(EndpointConfig config, ChatRequest request, Duration time) {
    this.config = config;
    this.request = request;
    this.time = time;
  }

  /** Returns it in a budget's unit, rounded up. */
  long amount(Budget budget) {
    return switch (budget.unit()) {
      case MONEY -> money();
      case TOKENS -> (long) input() + request.maxTokens();
      case CALLS -> 1;
      case COMPUTE_TIME -> BudgetScope.millis(time);
    };
  }

  private int input() {
    return TokenEstimator.mostOfRequest(request);
  }

  private long money() {
    Price price = config.price();
    return price == null ? 0 : BudgetScope.nanos(price.most(input(), request.maxTokens(), time));
  }
}
