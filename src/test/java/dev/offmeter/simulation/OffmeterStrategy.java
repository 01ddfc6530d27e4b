// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.simulation;

import dev.offmeter.Attempt;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.Locality;
import dev.offmeter.internal.failover.AnswerValidator;
import dev.offmeter.internal.failover.FailoverExecutor;
import dev.offmeter.internal.http.AttemptTimeouts;
import dev.offmeter.internal.http.EndpointConfig;
import dev.offmeter.internal.http.Transport;
import dev.offmeter.internal.time.CancellationToken;
import dev.offmeter.internal.wire.ModelTraits;
import dev.offmeter.meter.Price;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.testing.Metering;
import dev.offmeter.testing.TemplateExchangeFactory;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** Calls as this library makes them. */
final class OffmeterStrategy implements SimulatedYear.CallStrategy {
  private static final Duration TOTAL =
      Assumptions.HOME_LIMIT.plus(Assumptions.ARM_LIMIT.multipliedBy(2)).plusMillis(250);

  private final Map<String, VirtualNode> byName;
  private final VirtualTime time;
  private final FailoverExecutor failover;

  OffmeterStrategy(SimulatedYear.Nodes nodes, boolean keepWarm, Duration keepAlive) {
    this.time = nodes.home().time();
    this.byName = Map.of(SimulatedYear.HOME, nodes.home(), SimulatedYear.ARM, nodes.arm());
    Random random = new Random(Assumptions.SEED + 3);
    this.failover =
        new FailoverExecutor(
            List.of(
                home(keepWarm, keepAlive),
                spec(SimulatedYear.ARM, Integer.MAX_VALUE, false, Assumptions.FOR_EVER, null),
                spec("template", Integer.MAX_VALUE, false, Assumptions.FOR_EVER, request -> "")),
            config -> opener(byName.get(config.name())),
            time,
            work -> time.begin(time.nanos(), work),
            random::nextDouble,
            null,
            new LlmListener() {},
            Metering.meter(time),
            Metering.noBudgets(time));
  }

  private static Transport.ExchangeFactory opener(@Nullable VirtualNode node) {
    return node == null ? new TemplateExchangeFactory() : new VirtualExchangeFactory(node);
  }

  private static EndpointConfig home(boolean keepWarm, Duration keepAlive) {
    return spec(SimulatedYear.HOME, Assumptions.HOME_PLACES, keepWarm, keepAlive, null);
  }

  private static EndpointConfig spec(
      String name,
      int places,
      boolean keepWarm,
      Duration residence,
      @Nullable Function<ChatRequest, String> function) {
    Duration limit =
        name.equals(SimulatedYear.HOME) ? Assumptions.HOME_LIMIT : Assumptions.ARM_LIMIT;
    return new EndpointConfig(
        name,
        "",
        "m",
        Locality.SELF_HOSTED,
        false,
        ModelTraits.UNKNOWN,
        new AttemptTimeouts(
            limit, Assumptions.CONNECT_LIMIT, limit, Assumptions.STALL_LIMIT, limit, null),
        places,
        Integer.MAX_VALUE,
        Duration.ZERO,
        keepWarm,
        false,
        residence,
        0,
        UnaryOperator.identity(),
        List.of(),
        null,
        function,
        function != null,
        List.of(),
        Price.free());
  }

  @Override
  public Tally.CallOutcome call(int number) {
    long start = time.nanos();
    ChatRequest request =
        ChatRequest.builder()
            .user("draft a reminder")
            .tag(VirtualExchangeFactory.CALL, Integer.toString(number))
            .build();
    ChatResponse response =
        failover.chat(request, TOTAL, start, new CancellationToken(), AnswerValidator.ANY);
    long total = time.nanos() - start;
    VirtualNode by = byName.get(response.endpoint());
    if (by == null) {
      return Tally.CallOutcome.unanswered(total);
    }
    return new Tally.CallOutcome(by.name(), total, lost(response.attempts()), by.work(number));
  }

  /** A wait for a load or a place that led to an answer is not lost. */
  private static long lost(List<Attempt> attempts) {
    return attempts.subList(0, attempts.size() - 1).stream()
        .mapToLong(attempt -> attempt.elapsed().toNanos())
        .sum();
  }

  @Override
  public void close() {
    failover.close();
  }
}
