// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.micrometer;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.ChatRequest;
import dev.offmeter.LlmClient;
import dev.offmeter.guard.Budget;
import dev.offmeter.meter.UsageLog;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.TwoNodes;
import dev.offmeter.testkit.FakeLlm;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MockClock;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.simple.SimpleConfig;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

@Timeout(20)
class OffmeterMetricsTest {
  private static final ChatRequest REQUEST = ChatRequest.builder().user("a reminder").build();

  @RegisterExtension final Loopback loopback = new Loopback();
  @TempDir Path folder;

  private final MockClock clock = new MockClock();
  private final SimpleMeterRegistry registry = new SimpleMeterRegistry(SimpleConfig.DEFAULT, clock);
  private final FakeLlm primary = loopback.fake(FakeLlm.ollama());
  private final FakeLlm fallback = loopback.fake(FakeLlm.ollama());

  private LlmClient.Builder nodes() {
    return LlmClient.builder()
        .endpoint(primary.endpoint("primary").build())
        .endpoint(fallback.endpoint("fallback").build());
  }

  private LlmClient bound(LlmClient.Builder builder) {
    LlmClient client = loopback.client(builder);
    new OffmeterMetrics(client).bindTo(registry);
    return client;
  }

  private double gauge(String name, String... tags) {
    return registry.get(name).tags(tags).gauge().value();
  }

  private double primary(String state) {
    return gauge("offmeter.endpoint.state", "endpoint", "primary", "state", state);
  }

  @Test
  void oneStateOfEachEndpointIsOne() {
    LlmClient client = bound(nodes().endpoint(TwoNodes.template()));
    assertThat(primary("up")).isEqualTo(1);
    assertThat(primary("down")).isZero();

    primary.status(401);
    client.chat(REQUEST);

    assertThat(primary("up")).isZero();
    assertThat(primary("down")).isEqualTo(1);
    assertThat(gauge("offmeter.endpoint.state", "order", "2", "type", "server", "state", "up"))
        .isEqualTo(1);
    assertThat(gauge("offmeter.endpoint.state", "order", "3", "type", "function", "state", "up"))
        .isEqualTo(1);
  }

  @Test
  void callsUnderWayAreShown() throws Exception {
    primary.hangs();
    LlmClient client = bound(nodes());
    assertThat(gauge("offmeter.endpoint.in_flight", "endpoint", "primary")).isZero();

    var call = client.chatAsync(REQUEST);
    primary.awaitRequest(1);

    assertThat(gauge("offmeter.endpoint.in_flight", "endpoint", "primary")).isEqualTo(1);
    call.cancel(true);
  }

  @Test
  void aBudgetIsShownInTheUnitThatPeopleRead() {
    LlmClient client =
        bound(
            nodes()
                .budget(Budget.calls("day", 10))
                .budget(Budget.money("month", "20.00", "USD"))
                .budget(Budget.computeTime("hour", Duration.ofSeconds(90))));
    client.chat(REQUEST);

    assertThat(gauge("offmeter.budget.spent", "budget", "day", "unit", "calls")).isEqualTo(1);
    assertThat(gauge("offmeter.budget.cap", "budget", "day")).isEqualTo(10);
    assertThat(gauge("offmeter.budget.cap", "budget", "month", "unit", "USD")).isEqualTo(20);
    assertThat(gauge("offmeter.budget.cap", "budget", "hour", "unit", "seconds")).isEqualTo(90);
    assertThat(gauge("offmeter.budget.reserved", "budget", "day")).isZero();
  }

  @Test
  void ofABudgetThatCountsByATagTheFullestCountIsShown() {
    LlmClient client = bound(nodes().budget(Budget.calls("customer", 10).tag("customer")));
    assertThat(registry.find("offmeter.budget.spent").meters()).isEmpty();

    for (String customer : List.of("one", "two", "two")) {
      client.chat(REQUEST.toBuilder().tag("customer", customer).build());
    }
    double unused = primary("up");

    assertThat(registry.find("offmeter.budget.spent").meters()).hasSize(1);
    assertThat(gauge("offmeter.budget.spent", "budget", "customer")).isEqualTo(2);
  }

  @Test
  void theUsageLogIsShownIfThereIsOne() {
    bound(nodes());
    assertThat(registry.find("offmeter.usage_log.rows").meters()).isEmpty();

    LlmClient client = bound(nodes().usageLog(UsageLog.file(folder.resolve("log.jsonl"))));
    client.chat(REQUEST);

    Loopback.awaitSoon(() -> gauge("offmeter.usage_log.rows", "state", "written") == 1);
    assertThat(gauge("offmeter.usage_log.rows", "state", "lost")).isZero();
  }

  @Test
  void theClientsOfOneRegistryAreToldApartByTheirTags() {
    LlmClient one = loopback.client(nodes());
    LlmClient two = loopback.client(nodes());
    new OffmeterMetrics(one, Tags.of("client", "one")).bindTo(registry);
    new OffmeterMetrics(two, Tags.of("client", "two")).bindTo(registry);
    primary.status(401);
    two.chat(REQUEST);

    String[] up = {"endpoint", "primary", "state", "up"};
    assertThat(
            registry.get("offmeter.endpoint.state").tags(up).tag("client", "one").gauge().value())
        .isEqualTo(1);
    assertThat(
            registry.get("offmeter.endpoint.state").tags(up).tag("client", "two").gauge().value())
        .isZero();
  }

  @Test
  void aScrapeReadsTheStatusOnce() {
    AtomicInteger reads = new AtomicInteger();
    bindCounting(reads);
    List<Gauge> gauges = registry.getMeters().stream().map(Gauge.class::cast).toList();
    assertThat(gauges).hasSizeGreaterThan(5);
    reads.set(0);

    gauges.forEach(Gauge::value);
    assertThat(reads).hasValue(1);
    gauges.forEach(Gauge::value);
    assertThat(reads).hasValue(2);
  }

  @Test
  void aGaugeThatIsReadAloneShowsNothingOld() {
    AtomicInteger reads = new AtomicInteger();
    bindCounting(reads);
    Gauge inFlight = registry.get("offmeter.endpoint.in_flight").gauge();
    Gauge state = registry.get("offmeter.endpoint.state").tag("state", "up").gauge();
    double unused = inFlight.value();
    reads.set(0);

    clock.add(Duration.ofMillis(1001));
    unused = state.value();

    assertThat(reads).hasValue(1);
  }

  private void bindCounting(AtomicInteger reads) {
    LlmClient client = loopback.client(LlmClient.builder().endpoint(TwoNodes.template()));
    new OffmeterMetrics(
            new OffmeterMetrics.Source(
                () -> {
                  reads.incrementAndGet();
                  return client.status();
                },
                List::of,
                Optional::empty),
            List.of())
        .bindTo(registry);
  }
}
