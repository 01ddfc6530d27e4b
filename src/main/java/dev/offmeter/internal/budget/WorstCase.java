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

  /** Any token may be of the dearest sort: written to the cache, or of thinking. */
  private long money() {
    Price price = config.price();
    if (price == null) {
      return 0;
    }
    long most = 0;
    long input = input();
    long output = request.maxTokens();
    Price holding = price.forInput(input);
    for (long cacheWrite : new long[] {0, input}) {
      for (long thinking : new long[] {0, output}) {
        long one = BudgetScope.nanos(holding.cost(input, 0, cacheWrite, output, thinking, 1, time));
        most = Math.max(most, one);
      }
    }
    return most;
  }
}
