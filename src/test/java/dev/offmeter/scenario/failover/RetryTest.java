// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.failover;

import static dev.offmeter.testing.Loopback.ollama;
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
import io.github.resilience4j.circuitbreaker.CircuitBreaker.State;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A further try asks for admission like any other call. */
@Timeout(20)
class RetryTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final Node.Script TUNNEL_DOWN =
      OllamaReplies.status(530, "text/plain", "error code: 1033");

  private final TwoNodes nodes = TwoNodes.inManualTime(loopback);
  private final ManualTime time = nodes.time();
  private final Node primary = nodes.primary().respondWith(OllamaReplies.status(500, "", ""));
  private final LlmClient client =
      loopback.client(
          nodes.builder(ollama("primary", primary).retries(1)).deadline(Duration.ofMinutes(10)));

  private CompletableFuture<ChatResponse> ask() {
    return client.chatAsync(ChatRequest.builder().user("a reminder").build());
  }

  private CompletableFuture<ChatResponse> asksAndPauses() {
    int asked = primary.requests().size() + 1;
    CompletableFuture<ChatResponse> call = ask();
    await().until(() -> primary.requests().size() == asked && time.pendingTasks() == 1);
    return call;
  }

  private State state() {
    return client.resilience4j().circuitBreakers().circuitBreaker("primary").getState();
  }

  @Test
  void asksNoEndpointThatWentDownDuringTheRetryDelay() throws Exception {
    CompletableFuture<ChatResponse> call = asksAndPauses();
    primary.respondWith(TUNNEL_DOWN);
    assertThat(ask().get().endpoint()).isEqualTo("fallback");
    primary.respondWith(OllamaReplies.answering("never to be asked"));

    // The pause has some jitter, and whoever wakes from it reads the time at once.
    time.suspendProcess(Duration.ofSeconds(1));
    time.advance(Duration.ZERO);

    assertThat(call.get().endpoint()).isEqualTo("fallback");
    assertThat(call.get().elapsed()).isEqualTo(Duration.ofSeconds(1));
    assertThat(primary.requests()).hasSize(2);
  }

  @Test
  void isNotASecondTrial() throws Exception {
    primary.respondWith(OllamaReplies.status(502, "", "", "Retry-After: 60"));
    CompletableFuture<ChatResponse> call = asksAndPauses();
    primary.respondWith(TUNNEL_DOWN);
    assertThat(ask().get().endpoint()).isEqualTo("fallback");
    time.advance(Duration.ofSeconds(55));
    primary.respondWith(OllamaReplies.hanging());
    CompletableFuture<ChatResponse> trial = ask();
    await().until(() -> primary.requests().size() == 3);

    time.advance(Duration.ofSeconds(6));

    assertThat(call.get().endpoint()).isEqualTo("fallback");
    assertThat(primary.requests()).hasSize(3);
    time.advance(Duration.ofSeconds(15));
    assertThat(trial.get().endpoint()).isEqualTo("fallback");
  }

  @Test
  void othersLearnOfACoolDownWhileOneCallWaitsForItsEnd() throws Exception {
    primary.respondWith(OllamaReplies.status(429, "", "", "Retry-After: 60"));
    CompletableFuture<ChatResponse> first = asksAndPauses();
    List<CompletableFuture<ChatResponse>> others = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      others.add(ask());
    }
    for (CompletableFuture<ChatResponse> other : others) {
      assertThat(other.get().endpoint()).isEqualTo("fallback");
    }
    assertThat(primary.requests()).hasSize(1);
    primary.respondWith(OllamaReplies.answering("at last"));

    time.advance(Duration.ofSeconds(61));

    assertThat(first.get().text()).isEqualTo("at last");
    assertThat(state()).isEqualTo(State.CLOSED);
  }

  @Test
  void waitsAsLongAsACoolDownForWhichTheServerNamedNoTime() throws Exception {
    primary.respondWith(OllamaReplies.status(429, "", ""));
    CompletableFuture<ChatResponse> call = asksAndPauses();
    primary.respondWith(OllamaReplies.answering("at last"));

    time.advance(Duration.ofSeconds(4));
    assertThat(primary.requests()).hasSize(1);
    time.advance(Duration.ofSeconds(2));

    assertThat(call.get().text()).isEqualTo("at last");
  }

  @Test
  void aCallWithRetriesCountsOnce() throws Exception {
    CompletableFuture<ChatResponse> call = asksAndPauses();
    time.advance(Duration.ofSeconds(1));

    assertThat(call.get().endpoint()).isEqualTo("fallback");
    assertThat(primary.requests()).hasSize(2);
    assertThat(state()).isEqualTo(State.CLOSED);
  }
}
