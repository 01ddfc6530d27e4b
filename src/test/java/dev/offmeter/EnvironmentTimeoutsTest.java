// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.config.Environment;
import dev.offmeter.endpoint.EndpointSpec;
import dev.offmeter.endpoint.Header;
import dev.offmeter.endpoint.Limits;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** The values from the environment that an endpoint does not show. */
class EnvironmentTimeoutsTest {
  private static EndpointSpec spec(int index, Map<String, String> variables) {
    List<Endpoint> endpoints = Environment.read(variables).endpoints();
    return endpoints.get(index).spec(index == 0 && endpoints.size() > 1);
  }

  private static Limits limits(int attempt, int connectMillis, int firstToken, int stall) {
    return new Limits(
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

    assertThat(spec(0, two).limits()).isEqualTo(limits(15, 3000, 15, 10));
    assertThat(spec(1, two).limits()).isEqualTo(limits(120, 3000, 120, 10));
    assertThat(spec(0, Map.of()).limits()).isEqualTo(limits(120, 3000, 120, 10));
  }

  @Test
  void theSimpleSchemeSetsTheTimeout() {
    Map<String, String> two =
        Map.of(
            "OLLAMA_PRIMARY_TIMEOUT", "20s",
            "OLLAMA_FALLBACK_URL", "http://localhost:1",
            "OLLAMA_FALLBACK_TIMEOUT", "PT3M");

    assertThat(spec(0, two).limits()).isEqualTo(limits(20, 3000, 20, 10));
    assertThat(spec(1, two).limits()).isEqualTo(limits(180, 3000, 180, 10));
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

    EndpointSpec spec = spec(0, one);

    assertThat(spec.limits())
        .usingRecursiveComparison()
        .ignoringFields("stream")
        .isEqualTo(limits(60, 500, 30, 5));
    assertThat(spec.limits().stream()).isEqualTo(Duration.ofMinutes(3));
    assertThat(spec.maxConcurrent()).isEqualTo(2);
    assertThat(spec.retries()).isEqualTo(3);
  }

  @Test
  void aStallLimitThatIsNotSetIsNoLongerThanTheAttempts() {
    Map<String, String> quick =
        Map.of(
            "OFFMETER_ENDPOINTS_0_URL", "http://localhost:1",
            "OFFMETER_ENDPOINTS_0_TIMEOUT", "3s");
    assertThat(spec(0, quick).limits()).isEqualTo(limits(3, 3000, 3, 3));

    Map<String, String> set = new HashMap<>(quick);
    set.put("OFFMETER_ENDPOINTS_0_STALL", "20s");
    assertThat(spec(0, set).limits()).isEqualTo(limits(3, 3000, 3, 20));
  }

  @Test
  void whatIsNotSetHasItsDefault() {
    EndpointSpec spec = spec(0, Map.of("OFFMETER_ENDPOINTS_0_URL", "http://localhost:1"));

    assertThat(spec.limits()).isEqualTo(limits(120, 3000, 120, 10));
    assertThat(spec.maxConcurrent()).isEqualTo(Integer.MAX_VALUE);
    assertThat(spec.retries()).isZero();
    assertThat(spec.headers()).isEmpty();
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
