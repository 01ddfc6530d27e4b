// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.limits;

import static dev.offmeter.testing.Loopback.awaitSoon;
import static dev.offmeter.testing.Loopback.ollama;
import static dev.offmeter.testing.TwoNodes.template;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.Attempt;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ClientInternals;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.observe.EndpointChange;
import dev.offmeter.testing.ChangeRecorder;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Semaphore;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The process itself stood still: a sleep, a collection of garbage, a machine on the move. */
@Timeout(20)
class ProcessPauseTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final ChatRequest REQUEST = ChatRequest.builder().user("a reminder").build();

  private final List<EndpointChange> changes = new CopyOnWriteArrayList<>();
  private final Semaphore replies = new Semaphore(0);
  private ManualTime time;
  private Node home;
  private LlmClient client;

  @BeforeEach
  void start() {
    time = loopback.manualTime();
    home =
        loopback.node(
            (connection, request) -> {
              replies.acquireUninterruptibly();
              OllamaReplies.answering("HOME").answer(connection, request);
            });
    client =
        loopback.client(
            ClientInternals.builder(time)
                .endpoint(ollama("home", home).timeout(Duration.ofSeconds(3)).build())
                .endpoint(template())
                .listener(ChangeRecorder.recordInto(changes)));
  }

  @AfterEach
  void letGo() {
    replies.release(100);
  }

  private List<CompletableFuture<ChatResponse>> ask(int callers) {
    List<CompletableFuture<ChatResponse>> calls = new ArrayList<>();
    for (int i = 0; i < callers; i++) {
      calls.add(client.chatAsync(REQUEST));
    }
    awaitSoon(() -> home.requests().size() == callers);
    return calls;
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 4})
  void whatHasComeIsReadBeforeAClockThatIsLateEndsIt(int callers) throws Exception {
    List<CompletableFuture<ChatResponse>> calls = ask(callers);
    time.advance(Duration.ofMillis(300));
    time.suspendProcess(Duration.ofSeconds(5));
    time.advance(Duration.ZERO);
    replies.release(callers);

    for (CompletableFuture<ChatResponse> call : calls) {
      assertThat(call.get().endpoint()).isEqualTo("home");
    }
    assertThat(changes).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 4})
  void nobodyIsBlamedIfNothingHasComeAfterAll(int callers) throws Exception {
    List<CompletableFuture<ChatResponse>> calls = ask(callers);
    time.advance(Duration.ofMillis(300));
    time.suspendProcess(Duration.ofSeconds(5));
    for (int i = 0; i < 40; i++) {
      time.advance(Duration.ofMillis(100));
    }

    for (CompletableFuture<ChatResponse> call : calls) {
      Attempt failed = call.get().attempts().get(0);
      assertThat(failed.failure()).contains(FailureKind.ATTEMPT_TIMEOUT);
      assertThat(failed.message()).contains("this process stood still");
    }
    assertThat(changes).isEmpty();
  }

  @Test
  void itHasTheRestOfItsOwnTimeAndNoMore() throws Exception {
    CompletableFuture<ChatResponse> call = ask(1).get(0);
    time.advance(Duration.ofMillis(300));
    time.suspendProcess(Duration.ofSeconds(5));
    for (int i = 0; i < 19; i++) {
      time.advance(Duration.ofMillis(100));
    }
    assertThat(call).isNotDone();

    time.advance(Duration.ofMillis(200));

    assertThat(call.get().endpoint()).isEqualTo("template");
    assertThat(call.get().elapsed()).isGreaterThan(Duration.ofMillis(7200));
  }

  @Test
  void whatComesInTheRestOfItsOwnTimeIsTheAnswer() throws Exception {
    CompletableFuture<ChatResponse> call = ask(1).get(0);
    time.advance(Duration.ofMillis(300));
    time.suspendProcess(Duration.ofSeconds(5));
    time.advance(Duration.ofMillis(1900));

    replies.release();

    assertThat(call.get().endpoint()).isEqualTo("home");
  }

  @Test
  void aDeadlineThatHasPassedMeanwhileLeavesAMomentToRead() throws Exception {
    CompletableFuture<ChatResponse> call =
        client.chatAsync(
            ChatRequest.builder().user("now").deadline(Duration.ofMillis(2500)).build());
    awaitSoon(() -> home.requests().size() == 1);
    time.suspendProcess(Duration.ofMinutes(10));
    time.advance(Duration.ofMillis(500));
    assertThat(call).isNotDone();

    replies.release();

    assertThat(call.get().endpoint()).isEqualTo("home");
  }

  @Test
  void withoutAPauseAClockEndsItAtItsTime() throws Exception {
    CompletableFuture<ChatResponse> call = ask(1).get(0);

    for (int i = 0; i < 3; i++) {
      time.advance(Duration.ofSeconds(1));
    }

    assertThat(call.get().attempts().get(0).message()).doesNotContain("stood still");
  }

  @Test
  void aHealthCheckWhoseClockIsLateIsNoSilence() throws Exception {
    Semaphore well = new Semaphore(0);
    home.respondToProbesWith(
        (connection, request) -> {
          well.acquireUninterruptibly();
          OllamaReplies.probes(OllamaReplies.loadCompleted(), "home-model:latest")
              .answer(connection, request);
        });
    CompletableFuture<ChatResponse> call = ask(1).get(0);
    time.advance(Duration.ofSeconds(1));
    awaitSoon(() -> home.probes().size() == 1);
    time.suspendProcess(Duration.ofSeconds(10));
    time.advance(Duration.ZERO);
    well.release(10);
    awaitSoon(() -> !time.isProbing());

    assertThat(changes).isEmpty();
    replies.release();
    assertThat(call.get().endpoint()).isEqualTo("home");
  }
}
