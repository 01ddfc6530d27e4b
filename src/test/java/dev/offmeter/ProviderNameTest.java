// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.EnumMap;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** What metrics and traces call the provider of an endpoint. */
class ProviderNameTest {
  private static final String URL = "https://llm.example.org";

  private static String provider(Endpoint.Builder endpoint) {
    return endpoint.model("m").build().toConfig(false).provider();
  }

  @Test
  void eachProtocolHasTheNameOfTheConvention() {
    assertThat(provider(Endpoint.ollama("e", URL))).isEqualTo("ollama");
    assertThat(provider(Endpoint.gemini("e").apiKey("k"))).isEqualTo("gcp.gemini");
    assertThat(provider(Endpoint.anthropic("e").apiKey("k"))).isEqualTo("anthropic");
  }

  @Test
  void aServerWithTheApiOfOpenAiIsNamedByItsDialect() {
    Map<Dialect, String> names = new EnumMap<>(Dialect.class);
    for (Dialect dialect : Dialect.values()) {
      names.put(dialect, provider(Endpoint.openAi("e", URL).dialect(dialect)));
    }
    assertThat(names)
        .containsExactly(
            Map.entry(Dialect.GENERIC, "openai"),
            Map.entry(Dialect.VLLM, "vllm"),
            Map.entry(Dialect.LLAMA_SERVER, "llama-server"),
            Map.entry(Dialect.TGI, "tgi"),
            Map.entry(Dialect.LOCAL_AI, "localai"),
            Map.entry(Dialect.LM_STUDIO, "lmstudio"),
            Map.entry(Dialect.OLLAMA, "ollama"),
            Map.entry(Dialect.LITELLM, "litellm"),
            Map.entry(Dialect.OPENAI, "openai"),
            Map.entry(Dialect.GEMINI, "gcp.gemini"));
  }

  @Test
  void aFunctionIsNamedAsSuch() {
    Endpoint function = Endpoint.local("f", request -> "x").build();
    assertThat(function.toConfig(false).provider()).isEqualTo("function");
  }
}
