// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.failover;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import dev.offmeter.AllEndpointsFailedException;
import dev.offmeter.Attempt;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.testing.Loopback;
import java.net.UnknownHostException;
import java.util.List;
import okhttp3.Dns;
import okhttp3.OkHttpClient;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.slf4j.LoggerFactory;

/** Every failure says where it happened. */
@Timeout(20)
class FailureOriginTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final Dns NOWHERE =
      host -> {
        throw new UnknownHostException("canary-text of a resolver");
      };

  private AllEndpointsFailedException failed(Dns dns, Endpoint... endpoints) {
    OkHttpClient http = new OkHttpClient.Builder().dns(dns).build();
    LlmClient.Builder builder = LlmClient.builder().httpClient(http);
    List.of(endpoints).forEach(builder::endpoint);
    LlmClient client = loopback.client(builder);
    return catchThrowableOfType(
        AllEndpointsFailedException.class, () -> client.chat("draft a reminder"));
  }

  @ParameterizedTest
  @CsvSource({
    "https://LLM.example.org, https://llm.example.org",
    "https://llm.example.org:443/ollama/, https://llm.example.org",
    "http://llm.example.org:80, http://llm.example.org",
    "https://llm.example.org:8443/a/b, https://llm.example.org:8443",
    "http://nowhere:11434, http://nowhere:11434"
  })
  void anAttemptSaysItsOriginWithoutAPath(String url, String origin) {
    Endpoint mini = Endpoint.ollama("mac-mini", url).model("qwen3:8b").build();

    AllEndpointsFailedException e = failed(NOWHERE, mini);

    assertThat(e.attempts().get(0).origin()).isEqualTo(origin);
    assertThat(e).hasMessageContaining("1. mac-mini at " + origin + " [qwen3:8b]: UNKNOWN_HOST,");
  }

  @Test
  void anAddressOfTheNewProtocolHasItsBrackets() {
    Endpoint mini = Endpoint.ollama("mac-mini", "http://[::1]:1").model("m").build();

    assertThat(failed(Dns.SYSTEM, mini).attempts().get(0).origin()).isEqualTo("http://[::1]:1");
  }

  @Test
  void aFunctionIsNowhere() {
    Endpoint broken = Endpoint.local("template", request -> " ").build();

    AllEndpointsFailedException e = failed(NOWHERE, broken);

    assertThat(e.attempts().get(0).origin()).isEmpty();
    assertThat(e).hasMessageContaining("1. template: FUNCTION_FAILED");
  }

  @Test
  void aHostThatDoesNotResolveIsNamed() {
    Endpoint mini = Endpoint.ollama("mac-mini", "https://llm.example.org").model("m").build();

    assertThat(failed(NOWHERE, mini).attempts().get(0).message())
        .isEqualTo("the host name llm.example.org does not resolve");
    assertThat(failed(host -> List.of(), mini).attempts().get(0).message())
        .isEqualTo("the host name llm.example.org does not resolve");
  }

  @Test
  void anEndpointThatIsPassedOverAndTheLogSayWhere() {
    Logger logger = (Logger) LoggerFactory.getLogger("dev.offmeter");
    ListAppender<ILoggingEvent> log = new ListAppender<>();
    log.start();
    logger.addAppender(log);
    logger.setLevel(Level.DEBUG);
    try {
      OkHttpClient http = new OkHttpClient.Builder().dns(NOWHERE).build();
      LlmClient client =
          loopback.client(
              LlmClient.builder()
                  .httpClient(http)
                  .endpoint(
                      Endpoint.ollama("mac-mini", "https://llm.example.org").model("m").build())
                  .endpoint(Endpoint.local("template", request -> "Dear customer").build()));
      client.chat("draft a reminder");
      Attempt skipped = client.chat("draft a reminder").attempts().get(0);

      assertThat(skipped.failure()).contains(FailureKind.CIRCUIT_OPEN);
      assertThat(skipped.origin()).isEqualTo("https://llm.example.org");
      assertThat(client.status().toString())
          .contains("UNKNOWN_HOST at https://llm.example.org: the host name");
    } finally {
      logger.detachAppender(log);
      logger.setLevel(null);
    }

    assertThat(log.list)
        .extracting(ILoggingEvent::getFormattedMessage)
        .anyMatch(line -> line.startsWith("endpoint mac-mini at https://llm.example.org is DOWN"))
        .anyMatch(line -> line.contains("falls through to template after mac-mini at https://llm"));
  }
}
