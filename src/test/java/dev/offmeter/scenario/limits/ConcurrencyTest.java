// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.limits;

import static dev.offmeter.testing.Loopback.ollama;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.offmeter.AllEndpointsFailedException;
import dev.offmeter.Attempt;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Many callers at once, and few places. */
@Timeout(60)
class ConcurrencyTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final ChatRequest REQUEST = ChatRequest.builder().user("draft a reminder").build();

  @Test
  void fiveHundredCallersLoseNothingWhenThePrimaryDiesHalfway() throws Exception {
    int callers = 500;
    AtomicInteger served = new AtomicInteger();
    CountDownLatch start = new CountDownLatch(1);
    Node primary = loopback.node(OllamaReplies.hanging());
    primary.respondWith(
        (connection, request) -> {
          if (served.incrementAndGet() <= callers / 2) {
            OllamaReplies.answering("PRIMARY", " answers").answer(connection, request);
          } else {
            connection.send(OllamaReplies.STREAM_HEAD + OllamaReplies.tokens("PRIMARY", " ans"));
            primary.close();
          }
        });
    Node fallback = loopback.node(OllamaReplies.answering("FALLBACK", " answers"));
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(ollama("primary", primary).build())
                .endpoint(ollama("fallback", fallback).build()));
    List<CompletableFuture<ChatResponse>> calls = new ArrayList<>();
    for (int i = 0; i < callers; i++) {
      CompletableFuture<ChatResponse> call = new CompletableFuture<>();
      calls.add(call);
      new Thread(
              () -> {
                try {
                  start.await();
                  call.complete(client.chat(REQUEST));
                } catch (Throwable e) {
                  call.completeExceptionally(e);
                }
              })
          .start();
    }
    start.countDown();

    int fromPrimary = 0;
    for (CompletableFuture<ChatResponse> call : calls) {
      ChatResponse response = call.get();
      boolean primaryAnswered = response.endpoint().equals("primary");
      fromPrimary += primaryAnswered ? 1 : 0;
      assertThat(response.text())
          .isEqualTo(primaryAnswered ? "PRIMARY answers" : "FALLBACK answers");
      assertThat(response.attempts().stream().filter(a -> a.failure().isEmpty())).hasSize(1);
    }
    assertThat(fromPrimary).isPositive().isLessThanOrEqualTo(callers / 2);
  }

  @Test
  void aFullEndpointSendsTheNextCallOn() throws Exception {
    Node primary = loopback.node(OllamaReplies.hanging());
    Node fallback = loopback.node(OllamaReplies.answering("FALLBACK"));
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(ollama("primary", primary).maxConcurrent(1).build())
                .endpoint(ollama("fallback", fallback).build()));
    CompletableFuture<ChatResponse> first = client.chatAsync(REQUEST);
    primary.awaitFirstRequest();

    ChatResponse second = client.chat(REQUEST);

    assertThat(second.endpoint()).isEqualTo("fallback");
    assertThat(second.attempts().get(0).failure()).contains(FailureKind.BULKHEAD_FULL);
    assertThat(primary.requests()).hasSize(1);
    first.cancel(true);
  }

  @Test
  void whenAllAreFullTheCallsWaitInOrderOfArrival() throws Exception {
    Semaphore finish = new Semaphore(0);
    List<String> order = new ArrayList<>();
    Node only =
        loopback.node(
            (connection, request) -> {
              synchronized (order) {
                order.add(request.body().replaceAll(".*\"content\":\"([^\"]+)\".*", "$1"));
              }
              finish.acquireUninterruptibly();
              OllamaReplies.answering("served").answer(connection, request);
            });
    LlmClient client =
        loopback.client(
            LlmClient.builder().endpoint(ollama("only", only).maxConcurrent(1).build()));
    List<CompletableFuture<ChatResponse>> calls = new ArrayList<>();
    AtomicInteger skipped = new AtomicInteger();
    LlmClient counting =
        loopback.client(
            client.toBuilder()
                .listener(
                    new dev.offmeter.observe.LlmListener() {
                      @Override
                      public void onAttemptSkipped(long call, Attempt attempt) {
                        skipped.incrementAndGet();
                      }
                    }));
    for (int i = 0; i < 5; i++) {
      int expected = i;
      calls.add(counting.chatAsync(ChatRequest.builder().user("caller " + i).build()));
      await().until(() -> expected == 0 ? only.requests().size() == 1 : skipped.get() == expected);
    }
    finish.release(5);
    for (CompletableFuture<ChatResponse> call : calls) {
      assertThat(call.get().text()).isEqualTo("served");
    }

    assertThat(order).hasSize(5).first().isEqualTo("caller 0");
    assertThat(calls.get(4).get().attempts())
        .extracting(attempt -> attempt.failure().orElse(null))
        .containsExactly(FailureKind.BULKHEAD_FULL, null);
  }

  @Test
  void theWaitForASlotEndsWithTheDeadline() throws Exception {
    Node only = loopback.node(OllamaReplies.hanging());
    LlmClient client =
        loopback.client(
            LlmClient.builder().endpoint(ollama("only", only).maxConcurrent(1).build()));
    CompletableFuture<ChatResponse> first = client.chatAsync(REQUEST);
    only.awaitFirstRequest();

    assertThatThrownBy(
            () -> client.chat(REQUEST.toBuilder().deadline(Duration.ofMillis(100)).build()))
        .isInstanceOf(AllEndpointsFailedException.class)
        .hasMessageContaining("BULKHEAD_FULL");
    first.cancel(true);
  }

  @Test
  void aCallThatIsCancelledInTheQueueLeavesItsPositionToTheNext() throws Exception {
    Semaphore finish = new Semaphore(0);
    Node only =
        loopback.node(
            (connection, request) -> {
              finish.acquireUninterruptibly();
              OllamaReplies.answering("served").answer(connection, request);
            });
    LlmClient client =
        loopback.client(
            LlmClient.builder().endpoint(ollama("only", only).maxConcurrent(1).build()));
    CompletableFuture<ChatResponse> first = client.chatAsync(REQUEST);
    only.awaitFirstRequest();
    CompletableFuture<ChatResponse> second = client.chatAsync(REQUEST);
    CompletableFuture<ChatResponse> third = client.chatAsync(REQUEST);
    second.cancel(true);
    finish.release(3);

    assertThat(first.get().text()).isEqualTo("served");
    assertThat(third.get().text()).isEqualTo("served");
    await()
        .until(
            () ->
                client
                        .resilience4j()
                        .bulkheads()
                        .bulkhead("only")
                        .getMetrics()
                        .getAvailableConcurrentCalls()
                    == 1);
  }

  @Test
  void aHundredCallersShareThreeSlotsAndAllAreServed() throws Exception {
    AtomicInteger now = new AtomicInteger();
    AtomicInteger most = new AtomicInteger();
    Node only =
        loopback.node(
            (connection, request) -> {
              most.accumulateAndGet(now.incrementAndGet(), Math::max);
              now.decrementAndGet();
              OllamaReplies.answering("served").answer(connection, request);
            });
    LlmClient client =
        loopback.client(
            LlmClient.builder().endpoint(ollama("only", only).maxConcurrent(3).build()));
    List<CompletableFuture<ChatResponse>> calls = new ArrayList<>();
    for (int i = 0; i < 100; i++) {
      calls.add(client.chatAsync(REQUEST));
    }
    for (CompletableFuture<ChatResponse> call : calls) {
      assertThat(call.get().text()).isEqualTo("served");
    }
    assertThat(most.get()).isLessThanOrEqualTo(3);
    assertThat(
            client
                .resilience4j()
                .bulkheads()
                .bulkhead("only")
                .getMetrics()
                .getAvailableConcurrentCalls())
        .isEqualTo(3);
  }
}
