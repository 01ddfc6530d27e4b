// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.models;

import static dev.offmeter.testing.Loopback.awaitSoon;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.ChatRequest;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.observe.EndpointChange;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.observe.EndpointStatus;
import dev.offmeter.testing.ChangeRecorder;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.TwoNodes;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A node that is well, and has no such model until somebody gets it one. */
@Timeout(20)
class ModelNotFoundTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final ChatRequest REQUEST = ChatRequest.builder().user("a reminder").build();
  private static final Node.Script NO_SUCH_MODEL =
      OllamaReplies.status(
          404, "application/json", "{\"error\":\"model 'primary-model' not found\"}");

  private final List<EndpointChange> changes = new CopyOnWriteArrayList<>();
  private final TwoNodes nodes = TwoNodes.inManualTime(loopback);
  private final ManualTime time = nodes.time();
  private final Node primary =
      nodes
          .primary()
          .respondWith(NO_SUCH_MODEL)
          .respondToProbesWith(OllamaReplies.probes(NO_SUCH_MODEL));
  private final LlmClient client =
      loopback.client(nodes.builder().listener(ChangeRecorder.recordInto(changes)));

  @BeforeEach
  void learnThatTheModelIsMissing() {
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("fallback");
  }

  private EndpointStatus status() {
    return TwoNodes.primaryStatus(client);
  }

  /** Moves time in steps, so that every health check and load has its reply. */
  private void pass(Duration duration) {
    for (int second = 0; second < duration.toSeconds(); second++) {
      time.advance(Duration.ofSeconds(1));
      awaitSoon(() -> !time.isProbing());
    }
  }

  private void isGot() {
    primary.respondWith(OllamaReplies.answering("PRIMARY"));
    primary.respondToProbesWith(OllamaReplies.probes(OllamaReplies.loadCompleted()));
  }

  @Test
  void itStaysDownForThatCauseHoweverManyLoadsAreTried() {
    pass(Duration.ofMinutes(5));

    assertThat(status().state()).isEqualTo(EndpointState.DOWN);
    assertThat(status().cause()).contains(FailureKind.MODEL_NOT_FOUND);
    assertThat(primary.loadRequests()).isGreaterThan(10);
    assertThat(changes).hasSize(1);
    assertThat(changes.get(0).backoff()).isBetween(Duration.ofSeconds(48), Duration.ofSeconds(72));
    assertThat(primary.requests()).as("calls that touched it").hasSize(1);
  }

  @Test
  void onceItIsPulledTheNextHealthCheckFindsItLongBeforeTheBackOffIsOver() {
    pass(Duration.ofSeconds(10));
    isGot();

    pass(Duration.ofSeconds(2));

    assertThat(status().state()).isEqualTo(EndpointState.TRIAL);
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("primary");
  }

  @Test
  void theLoadsThatFailedMeanwhileHaveMadeNoBackOffLonger() {
    pass(Duration.ofMinutes(5));
    isGot();

    // Health checks are up to a twentieth of five minutes apart, and a fifth more.
    pass(Duration.ofSeconds(19));

    assertThat(status().state()).isEqualTo(EndpointState.TRIAL);
  }
}
