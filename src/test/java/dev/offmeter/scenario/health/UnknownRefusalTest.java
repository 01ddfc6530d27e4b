// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.health;

import static dev.offmeter.testing.TwoNodes.primaryState;
import static dev.offmeter.testing.TwoNodes.template;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.ChatRequest;
import dev.offmeter.ClientInternals;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.guard.AnswerCheck;
import dev.offmeter.observe.EndpointChange;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.testing.ChangeRecorder;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.ServerReplies;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A server that refuses every request in words that nobody foresaw. */
@Timeout(20)
class UnknownRefusalTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final Node.Script REFUSAL =
      OllamaReplies.status(
          400, "application/json", "{\"error\":{\"message\":\"the moon is in the wrong house\"}}");

  private final List<EndpointChange> changes = new CopyOnWriteArrayList<>();
  private ManualTime time;
  private Node node;
  private LlmClient client;
  private int asked;

  @BeforeEach
  void start() {
    time = loopback.manualTime();
    node = loopback.node(REFUSAL);
    client =
        loopback.client(
            ClientInternals.builder(time)
                .endpoint(Endpoint.openAi("node", node.url()).model("m").build())
                .endpoint(template())
                .listener(ChangeRecorder.recordInto(changes)));
  }

  private void ask(int times) {
    for (int i = 0; i < times; i++) {
      client.chat("question " + asked++);
    }
  }

  private EndpointState state() {
    return primaryState(client);
  }

  @Test
  void fiveDifferentRequestsWithoutAnAnswerTakeItDownWithItsWords() {
    ask(4);
    assertThat(state()).isEqualTo(EndpointState.UP);

    ask(1);

    assertThat(changes).hasSize(1);
    EndpointChange change = changes.get(0);
    assertThat(change.to()).isEqualTo(EndpointState.DOWN);
    assertThat(change.cause()).isEqualTo(FailureKind.BAD_REQUEST);
    assertThat(change.message())
        .isEqualTo(
            "5 different requests in a row refused, and none answered:"
                + " the moon is in the wrong house");
    assertThat(change.backoff()).isBetween(Duration.ofSeconds(12), Duration.ofSeconds(18));
    ask(3);
    assertThat(node.requests()).hasSize(5);
  }

  @Test
  void whatIsAskedAgainIsOneRequest() {
    for (int i = 0; i < 20; i++) {
      client.chat("the same question");
    }

    assertThat(node.requests()).hasSize(20);
    assertThat(changes).isEmpty();
  }

  @Test
  void oneAnswerBeginsTheCountAnew() {
    for (int round = 0; round < 4; round++) {
      ask(4);
      node.respondWith(ServerReplies.openAi("NODE"));
      ask(1);
      node.respondWith(REFUSAL);
    }

    assertThat(changes).isEmpty();
  }

  @Test
  void anAnswerThatItsCallerTurnsDownIsAnAnswer() {
    ask(4);
    node.respondWith(ServerReplies.openAi("NODE"));
    client.chat(
        ChatRequest.builder().user("a check").accept(AnswerCheck.lengthBetween(5, 200)).build());
    node.respondWith(REFUSAL);

    ask(4);

    assertThat(changes).isEmpty();
  }

  @Test
  void itsTrialsAreRefusedInTheirTurnAndItsBackOffGrows() {
    ask(5);
    time.advance(Duration.ofSeconds(20));

    ask(1);

    assertThat(state()).isEqualTo(EndpointState.DOWN);
    assertThat(changes.get(changes.size() - 1).backoff())
        .isBetween(Duration.ofSeconds(24), Duration.ofSeconds(36));
    ask(3);
    assertThat(node.requests()).hasSize(6);
  }

  @Test
  void aTrialThatIsAnsweredEndsIt() {
    ask(5);
    time.advance(Duration.ofSeconds(20));
    node.respondWith(ServerReplies.openAi("NODE"));
    ask(1);
    assertThat(state()).isEqualTo(EndpointState.UP);
    node.respondWith(REFUSAL);

    ask(4);

    assertThat(state()).isEqualTo(EndpointState.UP);
  }

  @ParameterizedTest
  @ValueSource(strings = {"content_filter", "length"})
  void whatTheServerThinksOfTheContentIsNoneOfThese(String reason) {
    node.respondWith(
        ServerReplies.events(
            ServerReplies.openAiPiece("x"), ServerReplies.openAiEnd(reason), "[DONE]"));
    for (int i = 0; i < 8; i++) {
      client.chat(ChatRequest.builder().user("question " + i).continueWhenFiltered(true).build());
    }

    assertThat(changes).isEmpty();
  }

  @Test
  void modelsThatStopForReasonsNobodyKnowsAreMeantToo() {
    node.respondWith(
        ServerReplies.events(
            ServerReplies.openAiPiece("x"), ServerReplies.openAiEnd("moon"), "[DONE]"));

    ask(5);

    assertThat(changes)
        .singleElement()
        .extracting(EndpointChange::to)
        .isEqualTo(EndpointState.DOWN);
    assertThat(changes.get(0).cause()).isEqualTo(FailureKind.MODEL_STOPPED);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "the request exceeds the available context size",
        "error parsing tool call: raw='x', err=invalid character"
      })
  void requestsThatAreKnownToBeAtFaultKeepItFromNoOtherCaller(String words) {
    node.respondWith(
        OllamaReplies.status(
            400, "application/json", "{\"error\":{\"message\":\"" + words + "\"}}"));
    for (int i = 0; i < 8; i++) {
      client.chat(
          ChatRequest.builder()
              .user("question " + i)
              .tool("invoices", "unpaid ones", "{\"type\":\"object\"}")
              .build());
    }

    assertThat(changes).isEmpty();
    assertThat(state()).isEqualTo(EndpointState.UP);
  }

  @Test
  void whatTheServerQuotesOfARequestIsNotTold() {
    node.respondWith(
        (connection, request) ->
            OllamaReplies.status(
                    400,
                    "application/json",
                    "{\"error\":{\"message\":\"wrong house: question 4 for my secret canary\"}}")
                .answer(connection, request));
    for (int i = 0; i < 5; i++) {
      client.chat("question " + i + " for my secret canary");
    }

    assertThat(changes.get(0).message()).doesNotContain("canary");
  }
}
