// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.health;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.LlmClient;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.TwoNodes;
import io.github.resilience4j.bulkhead.Bulkhead;
import io.github.resilience4j.circuitbreaker.CircuitBreaker.State;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Calls that were let in before the endpoint's state changed, and end after it. */
@Timeout(20)
class StaleCallsTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final ChatRequest REQUEST = ChatRequest.builder().user("draft a reminder").build();
  private static final Node.Script TUNNEL_DOWN =
      OllamaReplies.status(530, "text/plain", "error code: 1033");

  private final List<CompletableFuture<Node.Script>> verdicts = new ArrayList<>();
  private final TwoNodes nodes = TwoNodes.inManualTime(loopback);
  private final ManualTime time = nodes.time();
  private final Node primary = nodes.primary();
  private final LlmClient client = nodes.client(primary -> primary.timeout(Duration.ofHours(1)));

  @AfterEach
  void freeTheNode() {
    verdicts.forEach(verdict -> verdict.complete(OllamaReplies.answering("too late")));
  }

  private List<CompletableFuture<ChatResponse>> letIn(
      int calls, CompletableFuture<Node.Script> verdict) {
    verdicts.add(verdict);
    primary.respondWith((connection, request) -> verdict.join().answer(connection, request));
    int before = primary.requests().size();
    List<CompletableFuture<ChatResponse>> futures = new ArrayList<>();
    for (int i = 0; i < calls; i++) {
      futures.add(client.chatAsync(REQUEST));
    }
    await().until(() -> primary.requests().size() == before + calls);
    return futures;
  }

  private void goesDown(Node.Script how) {
    primary.respondWith(how);
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("fallback");
    assertThat(state()).isEqualTo(State.OPEN);
  }

  private State state() {
    return client.resilience4j().circuitBreakers().circuitBreaker("primary").getState();
  }

  private int callsUnderWay() {
    Bulkhead.Metrics places = client.resilience4j().bulkheads().bulkhead("primary").getMetrics();
    return places.getMaxAllowedConcurrentCalls() - places.getAvailableConcurrentCalls();
  }

  @Test
  void cancelledOnesGiveTheTrialNoCompany() throws Exception {
    List<CompletableFuture<ChatResponse>> old = letIn(5, new CompletableFuture<>());
    goesDown(TUNNEL_DOWN);
    time.advance(Duration.ofSeconds(20));
    CompletableFuture<Node.Script> verdict = new CompletableFuture<>();
    CompletableFuture<ChatResponse> trial = letIn(1, verdict).get(0);

    old.forEach(call -> call.cancel(true));
    await().until(() -> callsUnderWay() == 1);
    int asked = primary.requests().size();
    for (int i = 0; i < 6; i++) {
      assertThat(client.chat(REQUEST).endpoint()).isEqualTo("fallback");
    }

    assertThat(primary.requests()).hasSize(asked);
    verdict.complete(OllamaReplies.answering("PRIMARY"));
    assertThat(trial.get().endpoint()).isEqualTo("primary");
    assertThat(state()).isEqualTo(State.CLOSED);
  }

  @ParameterizedTest
  @ValueSource(ints = {400, 401, 429, 500, 530})
  void theirFailuresDoNotEndTheTrial(int status) throws Exception {
    CompletableFuture<Node.Script> oldVerdict = new CompletableFuture<>();
    List<CompletableFuture<ChatResponse>> old = letIn(3, oldVerdict);
    goesDown(TUNNEL_DOWN);
    time.advance(Duration.ofSeconds(20));
    CompletableFuture<Node.Script> verdict = new CompletableFuture<>();
    CompletableFuture<ChatResponse> trial = letIn(1, verdict).get(0);

    oldVerdict.complete(OllamaReplies.status(status, "text/plain", "an old story"));
    for (CompletableFuture<ChatResponse> call : old) {
      assertThat(call.get().endpoint()).isEqualTo("fallback");
    }

    assertThat(state()).isEqualTo(State.HALF_OPEN);
    assertThat(client.chat(REQUEST).endpoint()).as("still one trial").isEqualTo("fallback");
    verdict.complete(OllamaReplies.answering("PRIMARY"));
    assertThat(trial.get().endpoint()).isEqualTo("primary");
  }

  @Test
  void theirFailuresDoNotTakeDownWhatHasComeBack() throws Exception {
    CompletableFuture<Node.Script> oldVerdict = new CompletableFuture<>();
    List<CompletableFuture<ChatResponse>> old = letIn(3, oldVerdict);
    goesDown(TUNNEL_DOWN);
    time.advance(Duration.ofSeconds(20));
    primary.respondWith(OllamaReplies.answering("PRIMARY"));
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("primary");

    oldVerdict.complete(OllamaReplies.status(500, "", ""));
    for (CompletableFuture<ChatResponse> call : old) {
      assertThat(call.get().endpoint()).isEqualTo("fallback");
    }

    assertThat(state()).isEqualTo(State.CLOSED);
  }

  @Test
  void anAnswerDuringTheTrialBringsItUp() throws Exception {
    CompletableFuture<Node.Script> oldVerdict = new CompletableFuture<>();
    CompletableFuture<ChatResponse> old = letIn(1, oldVerdict).get(0);
    goesDown(TUNNEL_DOWN);
    time.advance(Duration.ofSeconds(20));
    CompletableFuture<Node.Script> verdict = new CompletableFuture<>();
    CompletableFuture<ChatResponse> trial = letIn(1, verdict).get(0);

    oldVerdict.complete(OllamaReplies.answering("PRIMARY"));
    assertThat(old.get().endpoint()).isEqualTo("primary");
    assertThat(state()).isEqualTo(State.CLOSED);
    verdict.complete(OllamaReplies.status(530, "text/plain", "error code: 1033"));
    assertThat(trial.get().endpoint()).isEqualTo("fallback");

    assertThat(state()).as("the trial is an old story now").isEqualTo(State.CLOSED);
  }

  @ParameterizedTest
  @ValueSource(ints = {429, 401})
  void anAnswerEndsNeitherACoolDownNorWhatAPersonMustMend(int status) throws Exception {
    CompletableFuture<Node.Script> oldVerdict = new CompletableFuture<>();
    CompletableFuture<ChatResponse> old = letIn(1, oldVerdict).get(0);
    goesDown(OllamaReplies.status(status, "", "", "Retry-After: 40"));

    oldVerdict.complete(OllamaReplies.answering("PRIMARY"));

    assertThat(old.get().endpoint()).isEqualTo("primary");
    assertThat(state()).isEqualTo(State.OPEN);
  }
}
