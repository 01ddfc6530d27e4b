// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.health;

import static dev.offmeter.testing.Loopback.ollama;
import static io.github.resilience4j.circuitbreaker.CircuitBreaker.State.CLOSED;
import static io.github.resilience4j.circuitbreaker.CircuitBreaker.State.OPEN;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.offmeter.AllEndpointsFailedException;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.observe.EndpointChange;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.testing.ChangeRecorder;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.TwoNodes;
import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Down once, paid once. */
@Timeout(20)
class EndpointHealthTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final ChatRequest REQUEST = ChatRequest.builder().user("draft a reminder").build();

  private final List<EndpointChange> changes = new CopyOnWriteArrayList<>();
  private final TwoNodes nodes = TwoNodes.inManualTime(loopback);
  private final ManualTime time = nodes.time();
  private final Node primary = nodes.primary();
  private final Node fallback = nodes.fallback();
  private final LlmClient client =
      loopback.client(nodes.builder().listener(ChangeRecorder.recordInto(changes)));

  private List<String> ask(int times) {
    List<String> endpoints = new ArrayList<>();
    for (int i = 0; i < times; i++) {
      endpoints.add(client.chat(REQUEST).endpoint());
    }
    return endpoints;
  }

  private CircuitBreaker.State state() {
    return client.resilience4j().circuitBreakers().circuitBreaker("primary").getState();
  }

  @Test
  void evidenceOfAbsenceTakesItDownAtOnce() {
    primary.respondWith(OllamaReplies.status(530, "text/plain", "error code: 1033"));

    assertThat(ask(5)).containsOnly("fallback");

    assertThat(primary.requests()).as("paid once").hasSize(1);
    assertThat(client.chat(REQUEST).attempts().get(0))
        .satisfies(
            attempt -> {
              assertThat(attempt.failure()).contains(FailureKind.CIRCUIT_OPEN);
              assertThat(attempt.message()).contains("TUNNEL_DOWN").contains("asked again in");
            });
  }

  @Test
  void otherFailuresTakeItDownWhenTheyComeInARow() {
    primary.respondWith(OllamaReplies.status(500, "", ""));

    ask(5);

    assertThat(primary.requests()).hasSize(2);
    assertThat(state()).isEqualTo(OPEN);
  }

  @Test
  void aSuccessBetweenFailuresKeepsItUp() {
    for (int i = 0; i < 5; i++) {
      primary.respondWith(OllamaReplies.status(500, "", ""));
      ask(1);
      primary.respondWith(OllamaReplies.answering("PRIMARY"));
      assertThat(ask(1)).containsExactly("primary");
    }
    assertThat(changes).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(ints = {400, 413, 422})
  void theRequestsOwnFaultsNeverCount(int status) {
    primary.respondWith(
        OllamaReplies.status(status, "application/json", "{\"error\":\"bad request\"}"));

    ask(5);

    assertThat(primary.requests()).hasSize(5);
    assertThat(changes).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({"401, UNAUTHORIZED", "403, HOST_REJECTED", "404, PATH_NOT_FOUND", "302, REDIRECTED"})
  void whatOnlyAPersonCanMendRequiresOperatorAction(int status, FailureKind kind) {
    primary.respondWith(OllamaReplies.status(status, "", ""));

    ask(3);
    time.advance(Duration.ofSeconds(45));
    ask(1);

    assertThat(primary.requests()).hasSize(1);
    assertThat(changes)
        .singleElement()
        .satisfies(change -> assertThat(change.cause()).isEqualTo(kind));
  }

  @Test
  void itIsTriedAgainByOneCallAndComesBack() {
    primary.respondWith(OllamaReplies.status(530, "text/plain", "error code: 1033"));
    ask(1);
    primary.respondWith(OllamaReplies.answering("PRIMARY"));

    time.advance(Duration.ofSeconds(11));
    assertThat(ask(1)).as("too early").containsExactly("fallback");
    time.advance(Duration.ofSeconds(8));
    assertThat(ask(3)).containsOnly("primary");

    assertThat(changes)
        .extracting(EndpointChange::to)
        .containsExactly(EndpointState.DOWN, EndpointState.TRIAL, EndpointState.UP);
    assertThat(changes.get(0).backoff()).isBetween(Duration.ofSeconds(12), Duration.ofSeconds(18));
  }

  @Test
  void backOffGrowsWhileItStaysDown() {
    primary.respondWith(OllamaReplies.status(530, "text/plain", "error code: 1033"));
    for (int i = 0; i < 7; i++) {
      ask(1);
      time.advance(Duration.ofMinutes(7));
    }

    List<Long> pauses =
        changes.stream()
            .filter(change -> change.to() == EndpointState.DOWN)
            .map(change -> change.backoff().toSeconds())
            .toList();
    assertThat(pauses).hasSize(7);
    assertThat(pauses.get(0)).isBetween(12L, 18L);
    assertThat(pauses.get(1)).isBetween(24L, 36L);
    assertThat(pauses.get(6)).as("five minutes at the most, and jitter").isBetween(240L, 360L);
  }

  @Test
  void aRecoveryForgetsTheGrowth() {
    primary.respondWith(OllamaReplies.status(530, "text/plain", "error code: 1033"));
    for (int i = 0; i < 4; i++) {
      ask(1);
      time.advance(Duration.ofMinutes(7));
    }
    primary.respondWith(OllamaReplies.answering("PRIMARY"));
    assertThat(ask(1)).containsExactly("primary");
    primary.respondWith(OllamaReplies.status(530, "text/plain", "error code: 1033"));
    ask(1);

    assertThat(changes.get(changes.size() - 1).backoff())
        .isBetween(Duration.ofSeconds(12), Duration.ofSeconds(18));
  }

  @ParameterizedTest
  @CsvSource({"429", "503"})
  void retryAfterIsACoolDownAndNoWait(int status) {
    primary.respondWith(OllamaReplies.status(status, "text/plain", "busy", "Retry-After: 40"));

    assertThat(ask(1)).containsExactly("fallback");
    primary.respondWith(OllamaReplies.answering("PRIMARY"));
    time.advance(Duration.ofSeconds(39));
    assertThat(ask(1)).containsExactly("fallback");
    time.advance(Duration.ofMillis(1001));
    assertThat(ask(1)).containsExactly("primary");
  }

  @Test
  void anAbsurdRetryAfterIsCapped() {
    primary.respondWith(OllamaReplies.status(429, "", "", "Retry-After: 864000"));
    ask(1);
    primary.respondWith(OllamaReplies.answering("PRIMARY"));
    time.advance(Duration.ofMinutes(10).plusMillis(1));

    assertThat(ask(1)).containsExactly("primary");
  }

  @Test
  void onlyOneCallIsTheTrial() throws Exception {
    primary.respondWith(OllamaReplies.status(530, "text/plain", "error code: 1033"));
    ask(1);
    time.advance(Duration.ofSeconds(20));
    CountDownLatch trial = new CountDownLatch(1);
    CountDownLatch release = new CountDownLatch(1);
    primary.respondWith(
        (connection, request) -> {
          trial.countDown();
          awaitQuietly(release);
          OllamaReplies.answering("PRIMARY").answer(connection, request);
        });
    CompletableFuture<ChatResponse> first = client.chatAsync(REQUEST);
    trial.await();

    assertThat(ask(3)).as("nobody else waits for it").containsOnly("fallback");
    release.countDown();
    assertThat(first.get().endpoint()).isEqualTo("primary");
    assertThat(ask(1)).containsExactly("primary");
  }

  @Test
  void aCancelledTrialGivesItsPermitBack() throws Exception {
    primary.respondWith(OllamaReplies.status(530, "text/plain", "error code: 1033"));
    ask(1);
    time.advance(Duration.ofSeconds(20));
    CountDownLatch trial = new CountDownLatch(1);
    primary.respondWith(
        (connection, request) -> {
          trial.countDown();
          connection.hang();
        });
    CompletableFuture<ChatResponse> first = client.chatAsync(REQUEST);
    trial.await();
    first.cancel(true);
    await()
        .until(
            () ->
                client
                        .resilience4j()
                        .bulkheads()
                        .bulkhead("primary")
                        .getMetrics()
                        .getAvailableConcurrentCalls()
                    == Integer.MAX_VALUE);
    primary.respondWith(OllamaReplies.answering("PRIMARY"));

    assertThat(ask(1)).containsExactly("primary");
  }

  @Test
  void callsThatFailTogetherTakeItDownOnce() throws Exception {
    int callers = 20;
    CountDownLatch all = new CountDownLatch(callers);
    primary.respondWith(
        (connection, request) -> {
          all.countDown();
          awaitQuietly(all);
          OllamaReplies.status(530, "text/plain", "error code: 1033").answer(connection, request);
        });
    List<CompletableFuture<ChatResponse>> calls = new ArrayList<>();
    for (int i = 0; i < callers; i++) {
      calls.add(client.chatAsync(REQUEST));
    }
    for (CompletableFuture<ChatResponse> call : calls) {
      assertThat(call.get().endpoint()).isEqualTo("fallback");
    }

    assertThat(changes).hasSize(1);
    assertThat(changes.get(0).backoff()).isLessThanOrEqualTo(Duration.ofSeconds(18));
  }

  @Test
  void aCallThatIsServedAfterAllBringsItBack() throws Exception {
    CountDownLatch slow = new CountDownLatch(1);
    CountDownLatch release = new CountDownLatch(1);
    primary.respondWith(
        (connection, request) -> {
          slow.countDown();
          awaitQuietly(release);
          OllamaReplies.answering("PRIMARY").answer(connection, request);
        });
    CompletableFuture<ChatResponse> first = client.chatAsync(REQUEST);
    slow.await();
    primary.respondWith(OllamaReplies.status(530, "text/plain", "error code: 1033"));
    ask(1);
    assertThat(state()).isEqualTo(OPEN);
    primary.respondWith(OllamaReplies.answering("PRIMARY"));
    release.countDown();

    assertThat(first.get().endpoint()).isEqualTo("primary");
    assertThat(ask(1)).containsExactly("primary");
  }

  @Test
  void aQueueIsNotMistakenForDeath() throws Exception {
    CountDownLatch queued = new CountDownLatch(1);
    CountDownLatch timedOut = new CountDownLatch(1);
    Node busy =
        loopback.node(
            (connection, request) -> {
              if (!request.body().contains("first in line")) {
                queued.countDown();
                connection.hang();
                return;
              }
              connection.send(OllamaReplies.STREAM_HEAD + OllamaReplies.tokens("served"));
              awaitQuietly(queued);
              connection.send(OllamaReplies.tokens(" meanwhile"));
              awaitQuietly(timedOut);
              connection.send(OllamaReplies.end("stop", 2) + OllamaReplies.LAST_CHUNK);
            });
    LlmClient queueing =
        loopback.client(
            LlmClient.builder()
                .endpoint(
                    ollama("busy", busy)
                        .timeout(Duration.ofSeconds(60))
                        .firstTokenTimeout(Duration.ofMillis(300))
                        .build())
                .endpoint(ollama("fallback", fallback).build()));
    CompletableFuture<ChatResponse> served =
        queueing.chatAsync(ChatRequest.builder().user("first in line").build());
    busy.awaitFirstRequest();

    ChatResponse second = queueing.chat(REQUEST);
    timedOut.countDown();

    assertThat(second.endpoint()).isEqualTo("fallback");
    assertThat(second.attempts().get(0).failure()).contains(FailureKind.OVERLOADED);
    assertThat(served.get().text()).isEqualTo("served meanwhile");
  }

  @Test
  void aMuteNodeGoesDownEvenIfEveryCallerIsInAHurry() throws Exception {
    primary.respondWith(OllamaReplies.hanging());

    hurriedCallsOfASecond(31);

    assertThat(state()).as("twice fifteen seconds in vain, and once more").isEqualTo(OPEN);
    assertThat(ask(1)).containsExactly("fallback");
    assertThat(primary.requests()).hasSize(31);
  }

  @Test
  void aNodeThatBeginsEveryAnswerAndEndsNoneGoesDownToo() throws Exception {
    primary.respondWith(
        (connection, request) -> {
          connection.send(OllamaReplies.STREAM_HEAD + OllamaReplies.tokens("Dear"));
          connection.hang();
        });

    hurriedCallsOfASecond(31);

    assertThat(state()).isEqualTo(OPEN);
  }

  @Test
  void oneAnswerForgivesTheSilenceBefore() throws Exception {
    primary.respondWith(OllamaReplies.hanging());
    hurriedCallsOfASecond(29);
    primary.respondWith(OllamaReplies.answering("PRIMARY"));
    assertThat(ask(1)).containsExactly("primary");
    primary.respondWith(OllamaReplies.hanging());

    hurriedCallsOfASecond(29);

    assertThat(state()).isEqualTo(CLOSED);
  }

  @Test
  void callsThatWaitInVainTogetherHaveWaitedOnce() throws Exception {
    primary.respondWith(OllamaReplies.hanging());
    List<CompletableFuture<ChatResponse>> calls = new ArrayList<>();
    for (int i = 0; i < 40; i++) {
      calls.add(client.chatAsync(hurried()));
    }
    await().until(() -> primary.requests().size() == 40);
    time.advance(Duration.ofSeconds(1));
    for (CompletableFuture<ChatResponse> call : calls) {
      assertThat(call.get().endpoint()).isEqualTo("fallback");
    }

    assertThat(state()).isEqualTo(CLOSED);
  }

  private void hurriedCallsOfASecond(int times) throws Exception {
    for (int i = 0; i < times; i++) {
      int asked = primary.requests().size() + 1;
      CompletableFuture<ChatResponse> call = client.chatAsync(hurried());
      await().until(() -> primary.requests().size() == asked);
      time.advance(Duration.ofSeconds(1));
      assertThat(call.get().endpoint()).isEqualTo("fallback");
    }
  }

  private static ChatRequest hurried() {
    return ChatRequest.builder().user("now").deadline(Duration.ofSeconds(2)).build();
  }

  @Test
  void streamsThatDieTogetherAreNoEvidenceOfLife() throws Exception {
    primary.respondWith(
        (connection, request) -> {
          connection.send(OllamaReplies.STREAM_HEAD + OllamaReplies.tokens("half an"));
          connection.hang();
        });
    List<CompletableFuture<ChatResponse>> calls = new ArrayList<>();
    for (int i = 1; i <= 2; i++) {
      calls.add(client.chatAsync(REQUEST));
      int asked = i;
      await().until(() -> primary.requests().size() == asked);
      time.advance(Duration.ofMillis(500));
    }
    time.advance(Duration.ofSeconds(11));

    for (CompletableFuture<ChatResponse> call : calls) {
      assertThat(call.get().attempts().get(0).failure()).contains(FailureKind.STALLED);
    }
    assertThat(state()).isEqualTo(OPEN);
  }

  @Test
  void withEveryEndpointDownTheExceptionSaysSinceWhenAndUntil() {
    primary.respondWith(OllamaReplies.status(401, "", ""));
    fallback.respondWith(OllamaReplies.status(530, "text/plain", "error code: 1033"));
    assertThatThrownBy(() -> client.chat(REQUEST)).isInstanceOf(AllEndpointsFailedException.class);

    assertThatThrownBy(() -> client.chat(REQUEST))
        .hasMessageContaining("CIRCUIT_OPEN")
        .hasMessageContaining("not asked since UNAUTHORIZED")
        .hasMessageContaining("not asked since TUNNEL_DOWN")
        .hasMessageContaining("asked again in");
    assertThat(primary.requests()).hasSize(1);
    assertThat(fallback.requests()).hasSize(1);
  }

  private static void awaitQuietly(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }
}
