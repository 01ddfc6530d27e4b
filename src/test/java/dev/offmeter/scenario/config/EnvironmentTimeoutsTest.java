// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.config;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.ClientInternals;
import dev.offmeter.Endpoint;
import dev.offmeter.internal.config.Environment;
import dev.offmeter.internal.config.litellm.LiteLlmConfig;
import dev.offmeter.internal.http.AttemptTimeouts;
import dev.offmeter.internal.http.EndpointConfig;
import dev.offmeter.internal.http.Header;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** The values from the environment that an endpoint does not show. */
class EnvironmentTimeoutsTest {
  private static EndpointConfig spec(int index, Map<String, String> variables) {
    List<Endpoint> endpoints = Environment.read(variables, LiteLlmConfig::read).endpoints();
    return ClientInternals.config(endpoints.get(index), index == 0 && endpoints.size() > 1);
  }

  private static AttemptTimeouts limits(int attempt, int connectMillis, int firstToken, int stall) {
    return new AttemptTimeouts(
        Duration.ofSeconds(attempt),
        Duration.ofMillis(connectMillis),
        Duration.ofSeconds(firstToken),
        Duration.ofSeconds(stall),
        Duration.ofMinutes(10),
        null);
  }

  @Test
  void theFirstOfTwoGetsFifteenSecondsAndTheLastTwoMinutes() {
    Map<String, String> two = Map.of("OLLAMA_FALLBACK_URL", "http://localhost:1");

    assertThat(spec(0, two).timeouts()).isEqualTo(limits(15, 3000, 15, 10));
    assertThat(spec(1, two).timeouts()).isEqualTo(limits(120, 3000, 120, 10));
    assertThat(spec(0, Map.of()).timeouts()).isEqualTo(limits(120, 3000, 120, 10));
  }

  @Test
  void theSimpleSchemeSetsTheTimeout() {
    Map<String, String> two =
        Map.of(
            "OLLAMA_PRIMARY_TIMEOUT", "20s",
            "OLLAMA_FALLBACK_URL", "http://localhost:1",
            "OLLAMA_FALLBACK_TIMEOUT", "PT3M");

    assertThat(spec(0, two).timeouts()).isEqualTo(limits(20, 3000, 20, 10));
    assertThat(spec(1, two).timeouts()).isEqualTo(limits(180, 3000, 180, 10));
  }

  @Test
  void theIndexedSchemeSetsEveryClockAndCount() {
    Map<String, String> one =
        Map.of(
            "OFFMETER_ENDPOINTS_0_URL", "http://localhost:1",
            "OFFMETER_ENDPOINTS_0_TIMEOUT", "60s",
            "OFFMETER_ENDPOINTS_0_CONNECT", "500ms",
            "OFFMETER_ENDPOINTS_0_FIRSTTOKEN", "30s",
            "OFFMETER_ENDPOINTS_0_STALL", "5s",
            "OFFMETER_ENDPOINTS_0_STREAMTIMEOUT", "3m",
            "OFFMETER_ENDPOINTS_0_CONCURRENCY", "2",
            "OFFMETER_ENDPOINTS_0_RETRIES", "3");

    EndpointConfig config = spec(0, one);

    assertThat(config.timeouts())
        .usingRecursiveComparison()
        .ignoringFields("stream")
        .isEqualTo(limits(60, 500, 30, 5));
    assertThat(config.timeouts().stream()).isEqualTo(Duration.ofMinutes(3));
    assertThat(config.maxConcurrent()).isEqualTo(2);
    assertThat(config.retries()).isEqualTo(3);
  }

  @Test
  void aStallLimitThatIsNotSetIsNoLongerThanTheAttempts() {
    Map<String, String> quick =
        Map.of(
            "OFFMETER_ENDPOINTS_0_URL", "http://localhost:1",
            "OFFMETER_ENDPOINTS_0_TIMEOUT", "3s");
    assertThat(spec(0, quick).timeouts()).isEqualTo(limits(3, 3000, 3, 3));

    Map<String, String> set = new HashMap<>(quick);
    set.put("OFFMETER_ENDPOINTS_0_STALL", "20s");
    assertThat(spec(0, set).timeouts()).isEqualTo(limits(3, 3000, 3, 20));
  }

  @Test
  void whatIsNotSetHasItsDefault() {
    EndpointConfig config = spec(0, Map.of("OFFMETER_ENDPOINTS_0_URL", "http://localhost:1"));

    assertThat(config.timeouts()).isEqualTo(limits(120, 3000, 120, 10));
    assertThat(config.maxConcurrent()).isEqualTo(Integer.MAX_VALUE);
    assertThat(config.retries()).isZero();
    assertThat(config.headers()).isEmpty();
  }

  @Test
  void everyCredentialBecomesItsHeader() {
    Map<String, String> simple =
        Map.of(
            "OLLAMA_PRIMARY_KEY", "k",
            "OLLAMA_PRIMARY_ACCESS_ID", "i",
            "OLLAMA_PRIMARY_ACCESS_SECRET", "s",
            "OLLAMA_FALLBACK_URL", "http://localhost:1");
    Map<String, String> indexed =
        Map.of(
            "OFFMETER_ENDPOINTS_0_URL", "http://localhost:1",
            "OFFMETER_ENDPOINTS_0_KEY", "k",
            "OFFMETER_ENDPOINTS_0_ACCESSID", "i",
            "OFFMETER_ENDPOINTS_0_ACCESSSECRET", "s");

    for (Map<String, String> variables : List.of(simple, indexed)) {
      assertThat(spec(0, variables).headers())
          .extracting(header -> header.name() + ": " + header.prefix() + header.fixedValue())
          .containsExactlyInAnyOrder(
              "Authorization: Bearer k", "CF-Access-Client-Id: i", "CF-Access-Client-Secret: s");
      assertThat(spec(0, variables).headers()).allMatch(Header::isCredential);
    }
    assertThat(spec(1, simple).headers()).isEmpty();
  }
}
