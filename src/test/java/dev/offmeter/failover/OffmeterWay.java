// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.Attempt;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.Locality;
import dev.offmeter.endpoint.EndpointSpec;
import dev.offmeter.endpoint.Limits;
import dev.offmeter.endpoint.Transport;
import dev.offmeter.observe.LlmListener;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** Calls as this library makes them. */
final class OffmeterWay implements Year.Way {
  private static final Duration TOTAL =
      Assumptions.HOME_LIMIT.plus(Assumptions.ARM_LIMIT.multipliedBy(2)).plusMillis(250);

  private final Map<String, VirtualNode> byName;
  private final VirtualTime time;
  private final Failover failover;

  OffmeterWay(Year.Nodes nodes, boolean keepWarm, Duration keepAlive) {
    this.time = nodes.home().time();
    this.byName = Map.of(Year.HOME, nodes.home(), Year.ARM, nodes.arm());
    Random random = new Random(Assumptions.SEED + 3);
    this.failover =
        new Failover(
            List.of(
                home(keepWarm, keepAlive),
                spec(Year.ARM, Integer.MAX_VALUE, false, Assumptions.FOR_EVER, null),
                spec("template", Integer.MAX_VALUE, false, Assumptions.FOR_EVER, request -> "")),
            spec -> opener(byName.get(spec.name())),
            time,
            work -> time.begin(time.nanos(), work),
            random::nextDouble,
            null,
            new LlmListener() {});
  }

  private static Transport.Opener opener(@Nullable VirtualNode node) {
    return node == null ? new TemplateOpener() : new VirtualOpener(node);
  }

  private static EndpointSpec home(boolean keepWarm, Duration keepAlive) {
    return spec(Year.HOME, Assumptions.HOME_PLACES, keepWarm, keepAlive, null);
  }

  private static EndpointSpec spec(
      String name,
      int places,
      boolean keepWarm,
      Duration residence,
      @Nullable Function<ChatRequest, String> function) {
    Duration limit = name.equals(Year.HOME) ? Assumptions.HOME_LIMIT : Assumptions.ARM_LIMIT;
    return new EndpointSpec(
        name,
        "",
        "m",
        Locality.SELF_HOSTED,
        false,
        new Limits(limit, Assumptions.CONNECT_LIMIT, limit, Assumptions.STALL_LIMIT, limit, null),
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
        List.of());
  }

  @Override
  public Tally.Ended call(int number) {
    long start = time.nanos();
    ChatRequest request =
        ChatRequest.builder()
            .user("draft a reminder")
            .tag(VirtualOpener.CALL, Integer.toString(number))
            .build();
    ChatResponse response = failover.chat(request, TOTAL, new Cancellation(), Acceptance.ANY);
    long total = time.nanos() - start;
    VirtualNode by = byName.get(response.endpoint());
    if (by == null) {
      return Tally.Ended.unanswered(total);
    }
    return new Tally.Ended(by.name(), total, lost(response.attempts()), by.work(number));
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
