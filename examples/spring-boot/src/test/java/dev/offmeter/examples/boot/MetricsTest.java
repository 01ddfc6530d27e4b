// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples.boot;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.LlmClient;
import dev.offmeter.testkit.FakeLlm;
import io.micrometer.core.instrument.MeterRegistry;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.test.context.SpringBootTest;
import org.springframework.boot.test.context.SpringBootTest.WebEnvironment;
import org.springframework.test.context.DynamicPropertyRegistry;
import org.springframework.test.context.DynamicPropertySource;

/** What an application gets for its board: calls, fall-throughs and states are metered. */
@SpringBootTest(
    webEnvironment = WebEnvironment.RANDOM_PORT,
    // Which a test is without, unless it asks for it.
    properties = "management.prometheus.metrics.export.enabled=true")
class MetricsTest {
  @RegisterExtension static final FakeLlm mini = FakeLlm.ollama();
  @RegisterExtension static final FakeLlm reserve = FakeLlm.ollama();

  @Autowired LlmClient llm;
  @Autowired MeterRegistry registry;

  @Value("${local.server.port}")
  int port;

  @DynamicPropertySource
  static void nodes(DynamicPropertyRegistry properties) {
    properties.add("MINI_URL", mini::url);
    properties.add("RESERVE_URL", reserve::url);
  }

  @Test
  void aFallThroughIsMeteredAndScraped() throws Exception {
    mini.refuses();
    reserve.answers("Dear Ms Kern");

    llm.chat("Draft a reminder for invoice 1042.");

    assertThat(count("offmeter.attempts", "endpoint", "reserve", "outcome", "answered"))
        .isEqualTo(1);
    assertThat(count("gen_ai.client.operation.duration", "gen_ai.provider.name", "ollama"))
        .isEqualTo(1);
    assertThat(registry.get("offmeter.fall_throughs").tags("from", "mini").counter().count())
        .isEqualTo(1);
    assertThat(
            registry
                .get("offmeter.endpoint.state")
                .tags("endpoint", "mini", "state", "down")
                .gauge()
                .value())
        .isEqualTo(1);
    assertThat(scrape())
        .contains(
            "gen_ai_client_operation_duration_seconds_bucket{",
            "gen_ai_client_token_usage_sum{",
            "offmeter_attempts_seconds_count{endpoint=\"reserve\",outcome=\"answered\"} 1",
            "offmeter_fall_throughs_total{from=\"mini\",",
            "offmeter_endpoint_state{endpoint=\"mini\",order=\"1\",state=\"down\",type=\"server\"} 1.0");
  }

  private String scrape() throws IOException, InterruptedException {
    URI address = URI.create("http://localhost:" + port + "/actuator/prometheus");
    return HttpClient.newHttpClient()
        .send(HttpRequest.newBuilder(address).build(), HttpResponse.BodyHandlers.ofString())
        .body();
  }

  private long count(String timer, String... tags) {
    return registry.get(timer).tags(tags).timer().count();
  }
}
