// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.testkit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.offmeter.Attempt;
import dev.offmeter.ChatEvent;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatResponse.ToolCall;
import dev.offmeter.ChatStream;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.LlmException;
import dev.offmeter.StreamRecovery;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.TwoNodes;
import dev.offmeter.testkit.ManualClock;
import dev.offmeter.testkit.ScriptedEndpoint;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class ScriptedEndpointTest {
  @RegisterExtension private final Loopback loopback = new Loopback();

  private final ManualClock clock = new ManualClock();
  private final ScriptedEndpoint node = ScriptedEndpoint.named("node");
  private final ScriptedEndpoint fallback = ScriptedEndpoint.answers("fallback", "FALLBACK");

  private LlmClient client() {
    return loopback.client(
        clock.drive(LlmClient.builder().endpoint(node.build()).endpoint(fallback.build())));
  }

  @ParameterizedTest
  @EnumSource
  void failsWithAnyKind(FailureKind kind) {
    node.fails(kind);

    assertThat(attempts(client()).get(0).failure()).contains(kind);
  }

  @ParameterizedTest
  @EnumSource
  void failsWithAnyKindInMidAnswer(FailureKind kind) {
    node.streams("Dear", " Ms Kern").failsAfter(1, kind);

    assertThat(attempts(client()).get(0).failure()).contains(kind);
  }

  private static List<Attempt> attempts(LlmClient client) {
    try {
      return client.chat("Say x.").attempts();
    } catch (LlmException stopped) {
      return stopped.attempts();
    }
  }

  @Test
  void passesTheTimeoutAtOnce() throws Exception {
    node.hangs();
    CompletableFuture<ChatResponse> draft = client().chatAsync("Draft a reminder.");
    node.awaitRequest(1);

    clock.advance(Duration.ofSeconds(15));

    assertThat(draft.get(20, TimeUnit.SECONDS).text()).isEqualTo("FALLBACK");
    assertThat(draft.get(20, TimeUnit.SECONDS).attempts().get(0).failure())
        .contains(FailureKind.ATTEMPT_TIMEOUT);
    assertThat(draft.get(20, TimeUnit.SECONDS).elapsed()).isEqualTo(Duration.ofSeconds(15));
  }

  @Test
  void waitsUntilTheTimeoutHasPassed() throws Exception {
    node.hangs();
    CompletableFuture<ChatResponse> draft = client().chatAsync("Draft a reminder.");
    node.awaitRequest(1);

    clock.advance(Duration.ofMillis(14_999));

    assertThat(draft).isNotDone();
    assertThat(fallback.askedTimes()).isZero();
  }

  @Test
  void stallsInMidAnswer() throws Exception {
    node.streams("Dear", " Ms Kern").stallsAfter(1);
    CompletableFuture<ChatResponse> draft = client().chatAsync("Draft a reminder.");
    node.awaitRequest(1);
    clock.advance(Duration.ofSeconds(10));

    assertThat(draft.get(20, TimeUnit.SECONDS).attempts().get(0).failure())
        .contains(FailureKind.STALLED);
  }

  @Test
  void isAskedAgainAfterTheBackOffThatItAskedFor() {
    node.fails(FailureKind.RATE_LIMITED).retryAfter(Duration.ofSeconds(30)).then().answers("NODE");
    LlmClient client = client();
    assertThat(client.chat("Say x.").text()).isEqualTo("FALLBACK");
    assertThat(TwoNodes.primaryState(client)).isEqualTo(EndpointState.DOWN);
    clock.advance(Duration.ofSeconds(29));
    assertThat(client.chat("Say x.").text()).isEqualTo("FALLBACK");
    assertThat(node.askedTimes()).isEqualTo(1);

    clock.advance(Duration.ofSeconds(10));

    assertThat(client.chat("Say x.").text()).isEqualTo("NODE");
  }

  @Test
  void streamsEveryEventThatAReaderMayGet() {
    node.streams("Dear", " Ms Kern").thinks("Hm.").cutsAfter(2);
    fallback.streams("Dear", " Mr Roth").thinks("Well.");
    ChatRequest request =
        ChatRequest.builder().user("Say x.").onBrokenStream(StreamRecovery.RESTART).build();
    List<String> events = new ArrayList<>();
    try (ChatStream stream = client().stream(request)) {
      stream.forEach(event -> events.add(told(event)));
    }

    assertThat(events)
        .containsExactly(
            "thinks Hm.", "Dear", "restarted 4", "thinks Well.", "Dear", " Mr Roth", "completed");
  }

  private static String told(ChatEvent event) {
    if (event instanceof ChatEvent.TextDelta delta) {
      return delta.text();
    }
    if (event instanceof ChatEvent.ThinkingDelta delta) {
      return "thinks " + delta.text();
    }
    return event instanceof ChatEvent.Restarted restarted
        ? "restarted " + restarted.discardText()
        : "completed";
  }

  @Test
  void callsTools() {
    ToolCall call = new ToolCall("c1", "lookup", "{\"id\":1042}");
    node.callsTools(call);

    assertThat(client().chat("Say x.").toolCalls()).containsExactly(call);
  }

  @Test
  void tellsWhatItWasAsked() {
    client().chat("Say x.");

    assertThat(node.requests()).hasSize(1);
    assertThat(node.requests().get(0).messages().get(0).content()).isEqualTo("Say x.");
  }

  @Test
  void keepsTheSettingsOfItsBuilder() {
    node.fails(FailureKind.CONNECTION_LOST).then().answers("NODE");
    LlmClient client =
        loopback.client(LlmClient.builder().endpoint(node.endpoint().retries(1).build()));

    assertThat(client.chat("Say x.").text()).isEqualTo("NODE");
    assertThat(node.askedTimes()).isEqualTo(2);
  }

  @Test
  void isCancelledWithItsCall() throws Exception {
    node.hangs();
    CompletableFuture<ChatResponse> draft = client().chatAsync("Draft a reminder.");
    node.awaitRequest(1);

    draft.cancel(true);

    Loopback.awaitSoon(() -> client().status().endpoints().get(0).inFlight() == 0);
    assertThat(fallback.askedTimes()).isZero();
  }

  @Test
  void rejectsAWaitWithoutAFailure() {
    assertThatThrownBy(() -> node.answers("x").retryAfter(Duration.ofSeconds(1)))
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("retryAfter must follow a failure, followed answers");
  }
}
