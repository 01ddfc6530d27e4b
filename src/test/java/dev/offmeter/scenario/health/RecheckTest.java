// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.health;

import static dev.offmeter.testing.Loopback.awaitSoon;
import static dev.offmeter.testing.Loopback.ollama;
import static dev.offmeter.testing.TwoNodes.primaryState;
import static dev.offmeter.testing.TwoNodes.template;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.offmeter.ClientInternals;
import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import dev.offmeter.Locality;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.observe.EndpointStatus;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import java.time.Duration;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A node that was repaired is asked again at once, if somebody says so. */
@Timeout(20)
class RecheckTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final Node.Script WRONG_KEY =
      OllamaReplies.status(401, "text/plain", "the key is wrong");

  private ManualTime time;
  private Node primary;

  @BeforeEach
  void start() {
    time = loopback.manualTime();
    primary = loopback.node(WRONG_KEY);
  }

  private LlmClient client(UnaryOperator<Endpoint.Builder> settings) {
    LlmClient client =
        loopback.client(
            ClientInternals.builder(time)
                .endpoint(settings.apply(ollama("primary", primary)).build())
                .endpoint(template()));
    assertThat(client.chat("a reminder").text()).isEqualTo("TEMPLATE");
    assertThat(primaryState(client)).isEqualTo(EndpointState.DOWN);
    return client;
  }

  private LlmClient client() {
    return client(primary -> primary);
  }

  private void isRepaired(Node.Script probes) {
    primary.respondWith(OllamaReplies.answering("PRIMARY"));
    primary.respondToProbesWith(probes);
  }

  @Test
  void oneThatIsWellAgainHasTheNextCallAsItsTrial() throws Exception {
    LlmClient client = client();
    isRepaired(OllamaReplies.probes(OllamaReplies.loadCompleted(), "primary-model"));
    assertThat(client.chat("a reminder").text()).as("still DOWN").isEqualTo("TEMPLATE");

    EndpointStatus status = client.recheck("primary").get();

    assertThat(status.state()).isEqualTo(EndpointState.TRIAL);
    assertThat(client.chat("a reminder").text()).isEqualTo("PRIMARY");
    assertThat(primaryState(client)).isEqualTo(EndpointState.UP);
  }

  @Test
  void aColdModelIsLoadedFirst() throws Exception {
    LlmClient client = client();
    isRepaired(OllamaReplies.probes(OllamaReplies.loadCompleted()));

    assertThat(client.recheck("primary").get().state()).isEqualTo(EndpointState.TRIAL);

    assertThat(primary.probes()).anyMatch(request -> request.line().startsWith("POST"));
    assertThat(client.chat("a reminder").text()).isEqualTo("PRIMARY");
  }

  @Test
  void aModelThatCannotBeLoadedKeepsItDown() throws Exception {
    LlmClient client = client();
    isRepaired(
        OllamaReplies.probes(
            OllamaReplies.status(404, "application/json", "{\"error\":\"model 'x' not found\"}")));

    assertThat(client.recheck("primary").get().state()).isEqualTo(EndpointState.DOWN);
  }

  @Test
  void oneThatIsStillGoneStaysDown() throws Exception {
    LlmClient client = client();
    primary.close();

    assertThat(client.recheck("primary").get().state()).isEqualTo(EndpointState.DOWN);
    assertThat(client.chat("a reminder").text()).isEqualTo("TEMPLATE");
  }

  @Test
  void oneThatCannotBeAskedHasTheNextCallAsItsTrial() throws Exception {
    LlmClient client = client(primary -> primary.locality(Locality.MANAGED));
    isRepaired(OllamaReplies.hanging());

    assertThat(client.recheck("primary").get().state()).isEqualTo(EndpointState.TRIAL);

    assertThat(primary.probes()).isEmpty();
    assertThat(client.chat("a reminder").text()).isEqualTo("PRIMARY");
  }

  @Test
  void whatTheServerAskedForIsNoReasonToWait() throws Exception {
    primary.respondWith(OllamaReplies.status(429, "text/plain", "slow down", "Retry-After: 300"));
    LlmClient client = client();
    isRepaired(OllamaReplies.probes(OllamaReplies.loadCompleted(), "primary-model"));

    assertThat(client.recheck("primary").get().state()).isEqualTo(EndpointState.TRIAL);
  }

  @Test
  void aHealthCheckThatBeganBeforeProvesNothing() throws Exception {
    LlmClient client = client();
    primary.respondToProbesWith((connection, request) -> connection.hang());
    var first = client.recheck("primary");
    awaitSoon(() -> primary.probes().size() == 1);
    time.advance(Duration.ofMillis(100));
    isRepaired(OllamaReplies.probes(OllamaReplies.loadCompleted(), "primary-model"));

    var second = client.recheck("primary");
    time.advance(Duration.ofSeconds(2));

    assertThat(second.get().state()).isEqualTo(EndpointState.TRIAL);
    assertThat(first).succeedsWithin(Duration.ofSeconds(2));
  }

  @Test
  void aTrialThatFailsAfterItRestartsTheBackOff() throws Exception {
    LlmClient client = client(primary -> primary.locality(Locality.MANAGED));

    client.recheck("primary").get();
    assertThat(client.chat("a reminder").text()).isEqualTo("TEMPLATE");

    assertThat(client.status().endpoints().get(0).nextHealthCheck().orElseThrow())
        .as("a minute, give or take a fifth, and not two")
        .isLessThanOrEqualTo(Duration.ofSeconds(72));
  }

  @Test
  void oneThatIsUpStaysUp() throws Exception {
    LlmClient client = client();

    assertThat(client.recheck("template").get().state()).isEqualTo(EndpointState.UP);
  }

  @Test
  void anUnknownNameIsRejectedWithThoseThatAreKnown() {
    LlmClient client = client();

    assertThatThrownBy(() -> client.recheck("mac-mini"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("endpoint must be one of primary, template, was 'mac-mini'");
    client.close();
    assertThatThrownBy(() -> client.recheck("primary"))
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("the client must be open, was closed");
  }
}
