// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import static dev.offmeter.testing.Loopback.ollama;
import static dev.offmeter.testing.Loopback.quickly;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.observe.EndpointState;
import dev.offmeter.observe.EndpointStatus;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.Replies;
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
    home = loopback.node(Replies.answering("HOME"));
    client =
        loopback.client(
            LlmClient.builder()
                .endpoint(ollama("home", home).build())
                .endpoint(Endpoint.local("template", request -> "TEMPLATE").build())
                .time(time));
  }

  private EndpointStatus status() {
    return client.status().endpoints().get(0);
  }

  private void pass(int seconds) {
    for (int second = 0; second < seconds; second++) {
      time.advance(Duration.ofSeconds(1));
      quickly(() -> !time.isChecking());
    }
  }

  private void isOutFor(int seconds) {
    Node.Script away = Replies.status(530, "text/plain", "error code: 1033");
    home.behaves(away).aside(away);
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("template");
    pass(seconds);
    assertThat(status().cause()).contains(FailureKind.TUNNEL_DOWN);
    home.behaves(Replies.answering("HOME"));
  }

  private static Node.Script refusing(int status, String words) {
    return Replies.status(
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
  void itIsSetAsideForThatAndNoCallIsItsTrial(
      boolean listed, int status, String words, FailureKind kind) {
    isOutFor(5);
    Node.Script refusal = refusing(status, words);
    home.aside(listed ? Replies.aside(refusal, "home-model:latest") : Replies.aside(refusal));
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
    home.aside(Replies.aside(refusing(404, "model 'home-model' not found")));
    pass(5);
    assertThat(status().cause()).contains(FailureKind.MODEL_NOT_FOUND);
    home.aside(Replies.aside(Replies.loaded(), "home-model:latest"));

    pass(30);

    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("home");
  }

  /** Nothing is wrong with it but that a proxy lets no load through. */
  @Test
  void aLoadThatIsOnlyForbiddenLeavesItToACall() {
    isOutFor(5);
    home.aside(Replies.aside(Replies.status(403, "", ""), "home-model:latest"));

    pass(5);

    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("home");
  }
}
