// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.jmh;

import dev.offmeter.ChatRequest;
import dev.offmeter.Locality;
import dev.offmeter.Usage;
import dev.offmeter.guard.Budget;
import dev.offmeter.guard.BudgetStore;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.budget.BudgetHold;
import dev.offmeter.internal.budget.BudgetKeeper;
import dev.offmeter.internal.budget.StoreWait;
import dev.offmeter.internal.http.AttemptTimeouts;
import dev.offmeter.internal.http.EndpointConfig;
import dev.offmeter.internal.meter.AttemptBill;
import dev.offmeter.internal.time.CancellationToken;
import dev.offmeter.internal.time.TimeSource;
import dev.offmeter.internal.wire.ModelTraits;
import dev.offmeter.meter.Price;
import dev.offmeter.observe.LlmListener;
import java.time.Duration;
import java.time.ZoneId;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** Measures what a monthly budget of money in memory adds to a call with one attempt. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class BudgetBenchmark {
  private static final Duration LIMIT = Duration.ofSeconds(15);
  private static final Usage USAGE = new Usage(300, 120);

  private final ChatRequest request =
      ChatRequest.builder().user("Draft a reminder. ".repeat(60)).maxTokens(400).build();
  private final Price price = Price.perMillionTokens("USD", "0.30", "2.50");
  private final EndpointConfig reserve =
      new EndpointConfig(
          "reserve",
          "http://127.0.0.1:8080",
          "m",
          Locality.MANAGED,
          true,
          ModelTraits.UNKNOWN,
          new AttemptTimeouts(LIMIT, LIMIT, LIMIT, LIMIT, LIMIT, null),
          64,
          Integer.MAX_VALUE,
          Duration.ZERO,
          false,
          false,
          Duration.ofMinutes(5),
          0,
          UnaryOperator.identity(),
          List.of(),
          null,
          null,
          false,
          List.of(),
          price);

  private TimeSource time;
  private final StoreWait wait = new StoreWait(() -> Long.MAX_VALUE, new CancellationToken());
  private BudgetKeeper budgets;

  @Setup
  public void open() {
    time = TimeSource.system();
    Budget month =
        Budget.money("reserve-month", "1000000.00", "USD")
            .perMonth(ZoneId.of("Europe/Zurich"))
            .endpoint("reserve");
    budgets = new BudgetKeeper(List.of(month), BudgetStore.inMemory(), time, new LlmListener() {});
  }

  @TearDown
  public void close() {
    time.close();
  }

  /** Reserves before an attempt, and settles after it. */
  @Benchmark
  public BudgetHold reserveAndSettle() throws AttemptException {
    BudgetHold hold = budgets.forCall(request, false).reserve(reserve, request, wait);
    hold.settle(AttemptBill.complete(price, USAGE, 1_000_000));
    return hold;
  }
}
