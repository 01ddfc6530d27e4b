// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.micrometer;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ServerAddressTest {
  @ParameterizedTest
  @CsvSource({
    "http://mini:11434, mini, 11434",
    "https://llm.example.org, llm.example.org, 443",
    "http://llm.example.org, llm.example.org, 80",
    // A service of Docker Compose, whose underscore java.net.URI takes for no host's.
    "http://ollama_gpu:11434, ollama_gpu, 11434",
    "http://[::1]:11434, [::1], 11434",
  })
  void hasTheHostAndThePortOfAnOrigin(String url, String host, String port) {
    Endpoint node = Endpoint.ollama("node", url).model("qwen3:8b").build();
    try (LlmClient client = LlmClient.builder().endpoint(node).build()) {
      String origin = client.status().endpoints().get(0).origin();

      assertThat(ServerAddress.of(origin)).isEqualTo(new ServerAddress(host, port));
    }
  }
}
