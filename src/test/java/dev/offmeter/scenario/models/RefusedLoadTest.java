// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.models;

import static dev.offmeter.testing.Loopback.awaitSoon;
import static dev.offmeter.testing.Loopback.ollama;
import static dev.offmeter.testing.TwoNodes.template;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.ChatRequest;
import dev.offmeter.ClientInternals;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.observe.EndpointStatus;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import java.time.Duration;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A server that is back after an outage, and refuses to load its model. */
class RefusedLoadTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final ChatRequest REQUEST = ChatRequest.builder().user("a reminder").build();

  private ManualTime time;
  private Node home;
  private LlmClient client;

  @BeforeEach
  void start() {
    time = loopback.manualTime();
    home = loopback.node(OllamaReplies.answering("HOME"));
    client =
        loopback.client(
            ClientInternals.builder(time)
                .endpoint(ollama("home", home).build())
                .endpoint(template()));
  }

  private EndpointStatus status() {
    return client.status().endpoints().get(0);
  }

  private void pass(int seconds) {
    for (int second = 0; second < seconds; second++) {
      time.advance(Duration.ofSeconds(1));
      awaitSoon(() -> !time.isProbing());
    }
  }

  private void isOutFor(int seconds) {
    Node.Script away = OllamaReplies.status(530, "text/plain", "error code: 1033");
    home.respondWith(away).respondToProbesWith(away);
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("template");
    pass(seconds);
    assertThat(status().cause()).contains(FailureKind.TUNNEL_DOWN);
    home.respondWith(OllamaReplies.answering("HOME"));
  }

  private static Node.Script refusing(int status, String words) {
    return OllamaReplies.status(
        status, "application/json", "{\"error\":\"" + words.replace("'", "\\\"") + "\"}");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "false | 500 | option 'num_ctx' must be of type integer | OPTION_REJECTED",
        "true  | 500 | option 'num_ctx' must be of type integer | OPTION_REJECTED",
        "false | 400 | invalid model name                       | MODEL_NOT_FOUND",
        "true  | 404 | model 'home-model' not found             | MODEL_NOT_FOUND"
      })
  void itRequiresOperatorActionAndNoCallIsItsTrial(
      boolean listed, int status, String words, FailureKind kind) {
    isOutFor(5);
    Node.Script refusal = refusing(status, words);
    home.respondToProbesWith(
        listed
            ? OllamaReplies.probes(refusal, "home-model:latest")
            : OllamaReplies.probes(refusal));
    int asked = home.requests().size();

    pass(5);

    assertThat(status().state()).isEqualTo(EndpointState.DOWN);
    assertThat(status().cause()).contains(kind);
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("template");
    pass(20);
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("template");
    assertThat(home.requests()).hasSize(asked);
  }

  @Test
  void whenItsModelIsThereItComesBack() {
    isOutFor(5);
    home.respondToProbesWith(OllamaReplies.probes(refusing(404, "model 'home-model' not found")));
    pass(5);
    assertThat(status().cause()).contains(FailureKind.MODEL_NOT_FOUND);
    home.respondToProbesWith(
        OllamaReplies.probes(OllamaReplies.loadCompleted(), "home-model:latest"));

    pass(30);

    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("home");
  }

  /** Nothing is wrong with it but that a proxy lets no load through. */
  @Test
  void aLoadThatIsOnlyForbiddenLeavesItToACall() {
    isOutFor(5);
    home.respondToProbesWith(
        OllamaReplies.probes(OllamaReplies.status(403, "", ""), "home-model:latest"));

    pass(5);

    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("home");
  }
}
