// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ch.qos.logback.classic.Level;
import dev.offmeter.ChatResponse.ToolCall;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.testing.LoggedEvents;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Flow;
import java.util.concurrent.atomic.AtomicInteger;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A program that goes round in circles is stopped, and nobody else. */
@Timeout(30)
class LoopGuardTest {
  private static final String PROMPT = "draft a reminder to Zoe";

  @RegisterExtension final Loopback loopback = new Loopback();
  @RegisterExtension final LoggedEvents log = new LoggedEvents(Level.TRACE);

  private final Node node = loopback.node(OllamaReplies.answering("a"));

  private LlmClient.Builder builder() {
    return LlmClient.builder().endpoint(Loopback.ollama("mac", node).build());
  }

  private static ChatRequest in(String session) {
    return ChatRequest.builder().user(PROMPT).session(session).build();
  }

  private static ChatRequest of(Message... messages) {
    ChatRequest.Builder request = ChatRequest.builder().session("s");
    List.of(messages).forEach(request::message);
    return request.build();
  }

  private static void isLoop(ThrowingCallable call, int count, int limit) {
    assertThatThrownBy(call)
        .isInstanceOfSatisfying(
            LoopDetectedException.class,
            e -> {
              assertThat(e.session()).isEqualTo("run-7");
              assertThat(e.count()).isEqualTo(count);
              assertThat(e.limit()).isEqualTo(limit);
              assertThat(e.attempts()).isEmpty();
              assertThat(e)
                  .hasMessageStartingWith(
                      "the same conversation must not be sent more than "
                          + limit
                          + " times in session 'run-7' (maxRepeatsPerSession), was asked for "
                          + count
                          + " times; see ")
                  .hasMessageEndingWith("troubleshooting.md#loop-detected");
              assertThat(e.toString()).doesNotContain("Zoe");
            });
  }

  @Test
  void theSameConversationIsSentTenTimesAndNoMore() {
    LlmClient client = loopback.client(builder());

    for (int i = 0; i < 10; i++) {
      client.chat(in("run-7"));
    }
    isLoop(() -> client.chat(in("run-7")), 11, 10);
    isLoop(() -> client.chat(in("run-7")), 12, 10);
    assertThat(node.requests()).hasSize(10);
    assertThat(client.runningCalls()).isZero();
  }

  @Test
  void otherSessionsAndRequestsWithoutOneGoOn() {
    LlmClient client = loopback.client(builder().maxRepeatsPerSession(1));

    client.chat(in("run-7"));
    isLoop(() -> client.chat(in("run-7")), 2, 1);
    client.chat(in("run-8"));
    for (int i = 0; i < 20; i++) {
      client.chat(PROMPT);
    }
    loopback.client(client.toBuilder()).chat(in("run-7"));
  }

  @Test
  void everyWayOfAskingCounts() {
    LlmClient client = loopback.client(builder().maxRepeatsPerSession(4));
    client.chat(in("run-7"));
    client.chatAsync(in("run-7")).join();
    try (ChatStream stream = client.stream(in("run-7"))) {
      assertThat(stream.response().text()).isEqualTo("a");
    }
    assertThat(failureOf(client.publish(in("run-7")))).isNull();

    isLoop(() -> client.chat(in("run-7")), 5, 4);
    isLoop(() -> client.stream(in("run-7")), 6, 4);
    isLoop(() -> unwrapped(client.chatAsync(in("run-7"))), 7, 4);
    Throwable told = failureOf(client.publish(in("run-7")));
    isLoop(
        () -> {
          throw told;
        },
        8,
        4);
    assertThat(node.requests()).hasSize(4);
    assertThat(client.runningCalls()).isZero();
  }

  private static void unwrapped(CompletableFuture<ChatResponse> future) throws Throwable {
    try {
      future.join();
    } catch (CompletionException e) {
      throw e.getCause();
    }
  }

  /** Returns what a subscriber is told; null if it gets the whole answer. */
  private static Throwable failureOf(Flow.Publisher<ChatEvent> publisher) {
    CompletableFuture<Throwable> failure = new CompletableFuture<>();
    publisher.subscribe(
        new Flow.Subscriber<>() {
          @Override
          public void onSubscribe(Flow.Subscription subscription) {
            subscription.request(Long.MAX_VALUE);
          }

          @Override
          public void onNext(ChatEvent event) {}

          @Override
          public void onError(Throwable thrown) {
            failure.complete(thrown);
          }

          @Override
          public void onComplete() {
            failure.complete(null);
          }
        });
    return failure.join();
  }

  @Test
  void aConversationThatGrowsOrDiffersIsAnother() {
    LoopGuard guard = new LoopGuard(1);
    ToolCall call = new ToolCall("1", "find", "{\"q\":1}");
    List<ChatRequest> all =
        List.of(
            of(Message.user("ab")),
            of(Message.user("a"), Message.user("b")),
            of(Message.user("b"), Message.user("a")),
            of(Message.user("aUSER\0b")),
            of(Message.system("a"), Message.user("b")),
            of(Message.user("a"), Message.assistant("x"), Message.user("b")),
            of(Message.user("a"), Message.assistant("x", List.of(call)), Message.user("b")),
            of(Message.user("a"), Message.toolResult(call, "1")),
            of(Message.user("a"), Message.toolResult(call, "2")),
            of(Message.user("a"), Message.toolResult("1", "find", "2")));

    for (ChatRequest request : all) {
      assertThat(guard.count(request)).isEmpty();
    }
    for (ChatRequest request : all) {
      assertThat(guard.count(request.toBuilder().temperature(0.5).build())).isPresent();
    }
  }

  @Test
  void itKnowsTheLastTenThousandSessions() {
    LoopGuard guard = new LoopGuard(1);
    assertThat(guard.count(in("first"))).isEmpty();
    assertThat(guard.count(in("second"))).isEmpty();
    for (int i = 0; i < LoopGuard.SESSIONS - 2; i++) {
      assertThat(guard.count(in("other-" + i))).isEmpty();
    }
    assertThat(guard.count(in("first"))).isPresent();
    assertThat(guard.count(in("one more"))).isEmpty();

    assertThat(guard.count(in("second"))).isEmpty();
    assertThat(guard.count(in("first"))).isPresent();
  }

  @Test
  void itKnowsTheLastHundredConversationsOfASession() {
    LoopGuard guard = new LoopGuard(1);
    for (int i = 0; i < 100; i++) {
      assertThat(guard.count(of(Message.user("turn " + i)))).isEmpty();
    }
    assertThat(guard.count(of(Message.user("turn 0")))).isPresent();
    assertThat(guard.count(of(Message.user("turn 100")))).isEmpty();

    assertThat(guard.count(of(Message.user("turn 1")))).isEmpty();
    assertThat(guard.count(of(Message.user("turn 0")))).isPresent();
  }

  @Test
  void ofManyThreadsNoMoreThanTheLimitGetThrough() throws Exception {
    LoopGuard guard = new LoopGuard(20_000);
    AtomicInteger passed = new AtomicInteger();
    ExecutorService threads = Executors.newFixedThreadPool(8);
    List<CompletableFuture<Void>> all = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      all.add(
          CompletableFuture.runAsync(
              () -> {
                for (int j = 0; j < 5000; j++) {
                  guard.count(in("s")).ifPresentOrElse(e -> {}, passed::incrementAndGet);
                }
              },
              threads));
    }
    all.forEach(CompletableFuture::join);
    threads.shutdown();

    assertThat(passed).hasValue(20_000);
  }

  @Test
  void listenersHearOfTheCallAndNobodySeesTheSessionButThem() {
    List<String> heard = new ArrayList<>();
    LlmListener listener =
        new LlmListener() {
          @Override
          public void onCallStarted(long call, Map<String, String> tags) {
            heard.add("started");
          }

          @Override
          public void onCallFailed(long call, LlmException exception) {
            heard.add(exception.getClass().getSimpleName());
          }
        };
    LlmClient client = loopback.client(builder().maxRepeatsPerSession(1).listener(listener));
    client.chat(in("run-7"));
    heard.clear();

    isLoop(() -> client.chat(in("run-7")), 2, 1);

    assertThat(heard).containsExactly("started", "LoopDetectedException");
    assertThat(node.requests().toString()).doesNotContain("run-7");
    assertThat(node.requests().get(0).body()).doesNotContain("run-7");
    assertThat(log.messages()).noneMatch(line -> line.contains("run-7") || line.contains("Zoe"));
    assertThat(in("run-7").toString()).doesNotContain("run-7");
  }

  @Test
  void aSessionIsAShortVisibleNameOfTheRequestsOwn() {
    assertThat(in("x".repeat(200)).toBuilder().build().session()).contains("x".repeat(200));
    assertThat(ChatRequest.builder().user(PROMPT).build().session()).isEmpty();
    for (String wrong : new String[] {"", " ", "a\nb", "a\u200bb", " a", "x".repeat(201)}) {
      assertThatThrownBy(() -> in(wrong))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageStartingWith("session must");
    }
    assertThatThrownBy(() -> builder().defaults(request -> request.session("s")).build())
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("defaults must not have a session: it is the request's own");
  }

  @Test
  void theLimitIsSetByABuilderOrAVariable() {
    assertThatThrownBy(() -> LlmClient.builder().maxRepeatsPerSession(0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("maxRepeatsPerSession must be at least 1, was 0");
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .fromEnv(
                    Map.of(
                        "OLLAMA_PRIMARY_URL", node.url(), "OFFMETER_MAXREPEATSPERSESSION", "1")));
    client.chat(in("run-7"));
    isLoop(() -> client.chat(in("run-7")), 2, 1);
    assertThatThrownBy(() -> LlmClient.fromEnv(Map.of("OFFMETER_MAXREPEATSPERSESSION", "0")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("OFFMETER_MAXREPEATSPERSESSION must be at least 1, was 0");
  }
}
