// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.spi.ILoggingEvent;
import dev.offmeter.testing.LoggedEvents;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The log names the endpoints when a client is built. */
class StartupLogTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  @RegisterExtension final LoggedEvents log = new LoggedEvents(Level.INFO);

  private List<String> lines() {
    return log.events().stream()
        .filter(event -> event.getLevel() == Level.INFO)
        .map(ILoggingEvent::getFormattedMessage)
        .toList();
  }

  private static LlmClient.Builder everyKind() {
    return LlmClient.builder()
        .endpoint(
            Endpoint.ollama("mac-mini", "https://llm.example.org/secret-prefix")
                .model("qwen3:8b")
                .apiKey("sk-canary")
                .build())
        .endpoint(
            Endpoint.openAi("attic", "http://[fe80::1]:8000/v1")
                .dialect(Dialect.VLLM)
                .model("Qwen/Qwen3-8B")
                .timeout(Duration.ofMillis(1500))
                .build())
        .endpoint(
            Endpoint.openAi("lm", "http://localhost:1234")
                .dialect(Dialect.LM_STUDIO)
                .model("m")
                .locality(Locality.MANAGED)
                .build())
        .endpoint(Endpoint.gemini("reserve").model("gemini-2.5-flash").apiKey("sk-canary").build())
        .endpoint(Endpoint.anthropic("claude").model("c").apiKey("sk-canary").build())
        .endpoint(Endpoint.openAi("gpt", "https://api.openai.com").model("g").build())
        .endpoint(Endpoint.local("template", request -> "Dear customer").build());
  }

  @Test
  void oneLineNamesEachEndpointInTheOrderOfTheList() {
    everyKind().build().close();

    assertThat(lines())
        .containsExactly(
            "endpoint 1 of 7: mac-mini, ollama qwen3:8b at https://llm.example.org,"
                + " timeout 15 s, self-hosted",
            "endpoint 2 of 7: attic, vllm Qwen/Qwen3-8B at http://[fe80::1]:8000,"
                + " timeout 1500 ms, self-hosted",
            "endpoint 3 of 7: lm, lmstudio m at http://localhost:1234, timeout 120 s, managed",
            "endpoint 4 of 7: reserve, gemini gemini-2.5-flash at"
                + " https://generativelanguage.googleapis.com, timeout 120 s, managed",
            "endpoint 5 of 7: claude, anthropic c at https://api.anthropic.com,"
                + " timeout 120 s, managed",
            "endpoint 6 of 7: gpt, openai g at https://api.openai.com, timeout 120 s, managed",
            "endpoint 7 of 7: template, function, timeout 120 s, self-hosted");
    assertThat(log.events().toString()).doesNotContain("sk-canary").doesNotContain("secret-prefix");
  }

  @Test
  void theLinesComeOnceForAClientAndNotWithItsCalls() {
    Node node = loopback.node(OllamaReplies.answering("a"));
    LlmClient client =
        loopback.client(LlmClient.builder().endpoint(Loopback.ollama("mac", node).build()));
    client.chat("one");
    client.chat("two");

    assertThat(lines()).hasSize(1);
  }

  @Test
  void nothingIsWrittenWhereTheLevelIsOff() {
    log.setLevel(Level.WARN);
    everyKind().build().close();

    assertThat(log.events()).isEmpty();
  }
}
