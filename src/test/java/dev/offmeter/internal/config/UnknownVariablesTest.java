// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.config;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import dev.offmeter.internal.config.litellm.LiteLlmConfig;
import dev.offmeter.testing.LoggedEvents;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Variables that look like ours and are not read. */
class UnknownVariablesTest {
  @RegisterExtension final LoggedEvents log = new LoggedEvents(Level.WARN);

  private List<String> warnings(Map<String, String> variables) {
    log.clear();
    Environment.read(variables, LiteLlmConfig::read);
    return log.messages();
  }

  @ParameterizedTest
  @CsvSource({
    "OLLAMA_FALLBAK_URL, OLLAMA_FALLBACK_URL",
    "OLLAMA_FALLBACKURL, OLLAMA_FALLBACK_URL",
    "OLLAMA_FALBACK_TIMEOUT, OLLAMA_FALLBACK_TIMEOUT",
    "OLLAMA_PRIMRAY_URL, OLLAMA_PRIMARY_URL",
    "OLLAMA_PRIMARYURL, OLLAMA_PRIMARY_URL",
    "ollama_primary_url, OLLAMA_PRIMARY_URL",
    "OLLAMA_TIMEOUT, OLLAMA_PRIMARY_TIMEOUT",
    "OLLAMA_TIMOUT, OLLAMA_PRIMARY_TIMEOUT",
    "OLLAMA_REQUEST_TIMEOUT, OLLAMA_PRIMARY_TIMEOUT",
    "OLLAMA_URL, OLLAMA_PRIMARY_URL",
    "OLLAMA_BASE_URL, OLLAMA_PRIMARY_URL",
    "OLLAMA_KEY, OLLAMA_PRIMARY_KEY",
    "OLLAMA_SECONDARY_URL, OLLAMA_PRIMARY_URL",
    "OLLAMA_FALLBACK, OLLAMA_FALLBACK_URL",
    "OLLAMA_PRIMARY, OLLAMA_PRIMARY_URL",
    "OLLAMA_MODLE, OLLAMA_MODEL",
    "OLLAMA_ACCESS_ID, OLLAMA_PRIMARY_ACCESS_ID",
    "offmeter_deadline, OFFMETER_DEADLINE"
  })
  void oneWarningNamesTheVariableAndTheNearest(String name, String meant) {
    assertThat(warnings(Map.of(name, "hunter2")))
        .containsExactly(name + " is not read; did you mean " + meant + "?");
  }

  @Test
  void whatIsNearToNothingIsNamedWithAllThatIsRead() {
    assertThat(warnings(Map.of("OLLAMA_COLOUR", "x")))
        .singleElement()
        .asString()
        .startsWith("OLLAMA_COLOUR is not read; Offmeter reads [OLLAMA_FALLBACK_ACCESS_ID, ")
        .endsWith("OLLAMA_PRIMARY_URL]");
  }

  @Test
  void besideOtherEndpointsNoneOfTheSimpleSchemeIsRecommended() {
    assertThat(
            warnings(
                Map.of(
                    "OFFMETER_ENDPOINTS_0_URL", "http://localhost:1", "OLLAMA_TIMEOUT", "hunter2")))
        .containsExactly("OLLAMA_TIMEOUT is not read: the endpoints come from OFFMETER_... here");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "OLLAMA_HOST",
        "OLLAMA_MODELS",
        "OLLAMA_KEEP_ALIVE",
        "OLLAMA_NUM_PARALLEL",
        "OLLAMA_MAX_QUEUE",
        "OLLAMA_MAX_LOADED_MODELS",
        "OLLAMA_CONTEXT_LENGTH",
        "OLLAMA_KV_CACHE_TYPE",
        "OLLAMA_FLASH_ATTENTION",
        "OLLAMA_NO_CLOUD",
        "OLLAMA_API_KEY",
        "OLLAMA_VULKAN",
        "OLLAMAX",
        "MY_OLLAMA_TIMEOUT",
        "PATH"
      })
  void whatIsOllamasOwnOrNobodysIsNotSpokenOf(String name) {
    assertThat(warnings(Map.of(name, "x"))).isEmpty();
  }

  @Test
  void whatIsReadIsNotWarnedOf() {
    assertThat(
            warnings(
                Map.of(
                    "OLLAMA_MODEL", "m",
                    "OLLAMA_PRIMARY_TIMEOUT", "5s",
                    "OLLAMA_FALLBACK_URL", "http://localhost:1",
                    "OFFMETER_DEADLINE", "9s")))
        .isEmpty();
  }
}
