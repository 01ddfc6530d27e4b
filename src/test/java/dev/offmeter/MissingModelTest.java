// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import static dev.offmeter.testing.Loopback.ollama;
import static dev.offmeter.testing.Loopback.quickly;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.observe.EndpointChange;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.observe.EndpointStatus;
import dev.offmeter.testing.Changes;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.Replies;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A node that is well, and has no such model until somebody gets it one. */
@Timeout(20)
class MissingModelTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final ChatRequest REQUEST = ChatRequest.builder().user("a reminder").build();
  private static final Node.Script NO_SUCH_MODEL =
      Replies.status(404, "application/json", "{\"error\":\"model 'home-model' not found\"}");

  private final List<EndpointChange> changes = new CopyOnWriteArrayList<>();
  private ManualTime time;
  private Node home;
  private LlmClient client;

  /** A client that has just learnt of it. */
  @BeforeEach
  void start() {
    time = loopback.manualTime();
    home = loopback.node(NO_SUCH_MODEL).aside(Replies.aside(NO_SUCH_MODEL));
    client =
        loopback.client(
            LlmClient.builder()
                .endpoint(ollama("home", home).build())
                .endpoint(ollama("fallback", loopback.node(Replies.answering("OTHER"))).build())
                .listener(Changes.into(changes))
                .time(time));
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("fallback");
  }

  private EndpointStatus status() {
    return client.status().endpoints().get(0);
  }

  /** Time in which every look and load has its reply. */
  private void pass(Duration duration) {
    for (int second = 0; second < duration.toSeconds(); second++) {
      time.advance(Duration.ofSeconds(1));
      quickly(() -> !time.isChecking());
    }
  }

  private void isGot() {
    home.behaves(Replies.answering("HOME"));
    home.aside(Replies.aside(Replies.loaded()));
  }

  @Test
  void itStaysDownForThatCauseHoweverManyLoadsAreTried() {
    pass(Duration.ofMinutes(5));

    assertThat(status().state()).isEqualTo(EndpointState.DOWN);
    assertThat(status().cause()).contains(FailureKind.MODEL_NOT_FOUND);
    assertThat(home.loadsAsked()).isGreaterThan(10);
    assertThat(changes).hasSize(1);
    assertThat(changes.get(0).backoff()).isBetween(Duration.ofSeconds(48), Duration.ofSeconds(72));
    assertThat(home.requests()).as("calls that touched it").hasSize(1);
  }

  @Test
  void onceItIsGotTheNextLookFindsItLongBeforeThePauseIsOver() {
    pass(Duration.ofSeconds(10));
    isGot();

    pass(Duration.ofSeconds(2));

    assertThat(status().state()).isEqualTo(EndpointState.TRIAL);
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("home");
  }

  @Test
  void theLoadsThatFailedMeanwhileHaveMadeNoPauseLonger() {
    pass(Duration.ofMinutes(5));
    isGot();

    // Looks are up to a twentieth of five minutes apart, and a fifth more.
    pass(Duration.ofSeconds(19));

    assertThat(status().state()).isEqualTo(EndpointState.TRIAL);
  }
}
