// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.micrometer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.offmeter.AllEndpointsFailedException;
import dev.offmeter.ChatEvent;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatStream;
import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import dev.offmeter.meter.Price;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.TwoNodes;
import io.micrometer.core.instrument.DistributionSummary;
import io.micrometer.core.instrument.Meter;
import io.micrometer.core.instrument.Tag;
import io.micrometer.core.instrument.Timer;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

@Timeout(20)
class MetricsListenerTest {
  private static final ChatRequest REQUEST = ChatRequest.builder().user("a reminder").build();

  @RegisterExtension final Loopback loopback = new Loopback();

  private final SimpleMeterRegistry registry = new SimpleMeterRegistry();
  private final TwoNodes nodes = TwoNodes.inRealTime(loopback);

  private LlmClient client() {
    return client(listener -> listener);
  }

  private LlmClient client(UnaryOperator<MetricsListener> settings) {
    return loopback.client(nodes.builder().listener(listener(settings)));
  }

  private MetricsListener listener(UnaryOperator<MetricsListener> settings) {
    return settings.apply(OffmeterMetrics.listener(registry));
  }

  private double count(String name, String... tags) {
    return registry.get(name).tags(tags).counter().count();
  }

  private long attempts(String endpoint, String outcome) {
    Timer timer =
        registry.find("offmeter.attempts").tags("endpoint", endpoint, "outcome", outcome).timer();
    return timer == null ? 0 : timer.count();
  }

  @Test
  void aCallHasTheMetersOfTheConvention() {
    client().chat(REQUEST);

    Timer duration = registry.get("gen_ai.client.operation.duration").timer();
    assertThat(duration.count()).isEqualTo(1);
    assertThat(duration.totalTime(TimeUnit.NANOSECONDS)).isPositive();
    assertThat(duration.getId().getTags())
        .containsExactlyInAnyOrder(
            Tag.of("gen_ai.operation.name", "chat"),
            Tag.of("gen_ai.provider.name", "ollama"),
            Tag.of("gen_ai.request.model", "primary-model"),
            Tag.of("gen_ai.response.model", "served"),
            Tag.of("server.address", "127.0.0.1"),
            Tag.of("server.port", nodes.primary().url().replaceAll(".*:", "")),
            Tag.of("error.type", "none"));
    assertThat(registry.get("gen_ai.client.operation.time_to_first_chunk").timer().count())
        .isEqualTo(1);
    assertThat(tokens("input").totalAmount()).isEqualTo(24);
    assertThat(tokens("output").count()).isEqualTo(1);
  }

  private DistributionSummary tokens(String type) {
    return registry.get("gen_ai.client.token.usage").tag("gen_ai.token.type", type).summary();
  }

  @Test
  void aCallThatFailsHasItsErrorAndNoTokens() {
    nodes.primary().respondWith(OllamaReplies.status(401, "", ""));
    nodes.fallback().respondWith(OllamaReplies.status(401, "", ""));

    assertThatThrownBy(() -> client().chat(REQUEST))
        .isInstanceOf(AllEndpointsFailedException.class);

    Timer duration =
        registry
            .get("gen_ai.client.operation.duration")
            .tags("error.type", "UNAUTHORIZED", "gen_ai.request.model", "fallback-model")
            .tags("gen_ai.response.model", "none")
            .timer();
    assertThat(duration.count()).isEqualTo(1);
    assertThat(duration.totalTime(TimeUnit.NANOSECONDS)).isPositive();
    assertThat(registry.find("gen_ai.client.token.usage").meters()).isEmpty();
  }

  @Test
  void attemptsSkipsAndFallThroughsAreCountedByEndpointAndKind() {
    nodes.primary().respondWith(OllamaReplies.status(530, "text/plain", "error code: 1033"));
    LlmClient client = client();
    client.chat(REQUEST);
    client.chat(REQUEST);

    assertThat(attempts("primary", "TUNNEL_DOWN")).isEqualTo(1);
    assertThat(attempts("fallback", "answered")).isEqualTo(2);
    assertThat(count("offmeter.skips", "endpoint", "primary", "kind", "CIRCUIT_OPEN")).isEqualTo(1);
    for (String kind : new String[] {"TUNNEL_DOWN", "CIRCUIT_OPEN"}) {
      assertThat(count("offmeter.fall_throughs", "from", "primary", "to", "fallback", "kind", kind))
          .isEqualTo(1);
    }
  }

  @Test
  void ofAnAdaptersCallOnlyWhatItDidIsCounted() {
    client().chat(REQUEST.toBuilder().tag(LlmListener.ADAPTER_TAG, "langchain4j").build());

    assertThat(attempts("primary", "answered")).isEqualTo(1);
    assertThat(conventional()).isZero();
  }

  @Test
  void withoutTheConventionOnlyOwnNamesAreUsed() {
    client(MetricsListener::withoutGenAi).chat(REQUEST);

    assertThat(attempts("primary", "answered")).isEqualTo(1);
    assertThat(conventional()).isZero();
  }

  private long conventional() {
    return registry.getMeters().stream()
        .map(meter -> meter.getId().getName())
        .filter(name -> name.startsWith("gen_ai."))
        .count();
  }

  @Test
  void costsAndSavingsAreCountedByCurrencyAndByTheChosenTag() {
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(priced("cheap", "1"))
                .baseline(Price.perMillionTokens("USD", "10", "10"))
                .listener(listener(listener -> listener.withTag("feature"))));

    client.chat(REQUEST.toBuilder().tag("feature", "reminder").build());
    client.chat(REQUEST);

    double cost = count("offmeter.cost", "currency", "USD", "feature", "reminder");
    assertThat(cost).isPositive();
    assertThat(count("offmeter.cost", "endpoint", "cheap", "feature", "none")).isEqualTo(cost);
    assertThat(count("offmeter.saved", "currency", "USD", "feature", "reminder")).isPositive();
    assertThat(count("offmeter.overspent", "currency", "USD", "feature", "reminder")).isZero();
    assertThat(count("offmeter.compute.seconds", "endpoint", "cheap", "feature", "reminder"))
        .isPositive();
  }

  @Test
  void whatAnAnswerCostsMoreThanAtTheBaselineIsCountedByItself() {
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(priced("dear", "10"))
                .baseline(Price.perMillionTokens("USD", "1", "1"))
                .listener(listener(listener -> listener)));

    client.chat(REQUEST);

    assertThat(count("offmeter.overspent", "currency", "USD")).isPositive();
    assertThat(count("offmeter.saved", "currency", "USD")).isZero();
  }

  private Endpoint priced(String name, String perMillion) {
    return Loopback.ollama(name, nodes.primary())
        .price(Price.perMillionTokens("USD", perMillion, perMillion))
        .build();
  }

  @Test
  void anAttemptWithoutAPriceIsCountedAsOfUnknownCost() {
    Endpoint managed = Endpoint.openAi("reserve", "https://llm.example.org").model("m").build();
    assertThat(managed.locality()).hasToString("MANAGED");
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(
                    Loopback.ollama("reserve", nodes.primary())
                        .locality(managed.locality())
                        .build())
                .listener(listener(listener -> listener)));

    client.chat(REQUEST);

    assertThat(count("offmeter.cost.unknown", "endpoint", "reserve")).isEqualTo(1);
    assertThat(registry.find("offmeter.cost").meters()).isEmpty();
  }

  @Test
  void aStreamThatTakesBackWhatItHasShownIsCounted() {
    nodes
        .primary()
        .respondWith(
            (connection, request) -> {
              connection.send(OllamaReplies.STREAM_HEAD + OllamaReplies.tokens("half"));
              connection.close();
            });

    try (ChatStream stream = client().stream(REQUEST)) {
      assertThat(stream).anyMatch(ChatEvent.Restarted.class::isInstance);
    }

    assertThat(count("offmeter.restarts", "endpoint", "primary")).isEqualTo(1);
  }

  @Test
  void twoClientsWithOneListenerKeepTheirCallsApart() {
    LlmClient first = client();
    LlmClient second = loopback.client(first.toBuilder());
    ChatRequest adapted = REQUEST.toBuilder().tag(LlmListener.ADAPTER_TAG, "langchain4j").build();

    try (ChatStream stream = first.stream(REQUEST)) {
      stream.iterator().next();
      // As the first call of its client it has the number of the one that is still running.
      second.chat(adapted);
      stream.response();
    }

    assertThat(registry.get("gen_ai.client.operation.duration").timer().count()).isEqualTo(1);
    assertThat(attempts("primary", "answered")).isEqualTo(2);
  }

  @Test
  void aChosenTagMustNotBeOneOfTheMeters() {
    MetricsListener listener = OffmeterMetrics.listener(registry);

    assertThatThrownBy(() -> listener.withTag("currency"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("tag must not be blank, and not endpoint or currency, was 'currency'");
    assertThatThrownBy(() -> listener.withTag(" ")).isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void theBucketsAreThoseOfTheConventionAndTwoForSlowMachines() {
    PrometheusMeterRegistry prometheus = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
    loopback.client(nodes.builder().listener(OffmeterMetrics.listener(prometheus))).chat(REQUEST);

    String duration = "gen_ai_client_operation_duration_seconds_bucket";
    assertThat(buckets(prometheus, duration))
        .isEqualTo(
            "0.01 0.02 0.04 0.08 0.16 0.32 0.64 1.28 2.56 5.12 10.24 20.48 40.96 81.92 163.84"
                + " 327.68 +Inf");
    assertThat(buckets(prometheus, "gen_ai_client_operation_time_to_first_chunk_seconds_bucket"))
        .isEqualTo(buckets(prometheus, duration));
    assertThat(buckets(prometheus, "gen_ai_client_token_usage_bucket"))
        .startsWith("1.0 4.0 16.0 64.0 256.0 1024.0")
        .endsWith("6.7108864E7 +Inf");
  }

  private static String buckets(PrometheusMeterRegistry registry, String name) {
    return registry
        .scrape()
        .lines()
        .filter(line -> line.startsWith(name + "{") && !line.contains("\"output\""))
        .map(line -> line.replaceAll(".*le=\"([^\"]*)\".*", "$1"))
        .reduce((one, next) -> one + " " + next)
        .orElse("");
  }

  @Test
  void everyMeterHasTheSameTagsWhateverHappened() {
    LlmClient client =
        loopback.client(
            nodes
                .builder()
                .endpoint(TwoNodes.template())
                .listener(OffmeterMetrics.listener(registry)));
    client.chat(REQUEST);
    nodes.primary().respondWith(OllamaReplies.status(401, "", ""));
    nodes.fallback().respondWith(OllamaReplies.status(401, "", ""));
    client.chat(REQUEST);
    client.close();

    // Prometheus drops a meter whose tags are others than those of the first of its name.
    registry
        .getMeters()
        .forEach(
            meter ->
                assertThat(keys(meter))
                    .isEqualTo(keys(registry.get(meter.getId().getName()).meter())));
    assertThat(
            registry
                .get("gen_ai.client.operation.duration")
                .tags("gen_ai.provider.name", "function", "server.address", "none")
                .timer()
                .count())
        .isEqualTo(1);
  }

  private static List<String> keys(Meter meter) {
    return meter.getId().getTags().stream().map(Tag::getKey).toList();
  }
}
