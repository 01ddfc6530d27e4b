// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import static dev.offmeter.testing.Loopback.ollama;
import static dev.offmeter.testing.Loopback.quickly;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.observe.EndpointState;
import dev.offmeter.testing.LoadingNode;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Replies;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.ValueSource;

/** Calls that a server has taken and loads its model for: they are the load. */
@ParameterizedClass
@ValueSource(booleans = {true, false})
@Timeout(30)
class WaitingInALoadTest {
  /** Whether Ollama lists a model that it is still loading: until 0.32, and from 0.33 on. */
  @Parameter boolean listsLoads;

  @RegisterExtension final Loopback loopback = new Loopback();

  private static final ChatRequest REQUEST = ChatRequest.builder().user("a reminder").build();
  private static final Duration LOAD = Duration.ofSeconds(6);

  private ManualTime time;
  private LoadingNode home;
  private LlmClient client;

  @BeforeEach
  void start() {
    time = loopback.manualTime();
    home = new LoadingNode(loopback, time, LOAD, Duration.ofMillis(500)).listsLoads(listsLoads);
    client =
        loopback.client(
            LlmClient.builder()
                .endpoint(ollama("home", home.node()).build())
                .endpoint(ollama("fallback", loopback.node(Replies.answering("FALLBACK"))).build())
                .time(time));
  }

  private EndpointState state() {
    return client.status().endpoints().get(0).state();
  }

  /** In small steps, with each one's consequences; how long it took. */
  private Duration untilAllAreDone(List<CompletableFuture<ChatResponse>> calls) {
    long since = time.nanos();
    CompletableFuture<Void> all = CompletableFuture.allOf(calls.toArray(CompletableFuture[]::new));
    while (!all.isDone()) {
      quickly(() -> !time.isLooking() && (all.isDone() || home.isLoading() || home.isAtWork()));
      time.advance(Duration.ofMillis(250));
    }
    return Duration.ofNanos(time.nanos() - since);
  }

  @Test
  void thoseThatAFullQueueHasTakenAreAnsweredAndTheOthersGoOn() throws Exception {
    home.maxQueue(3);
    List<CompletableFuture<ChatResponse>> taken = new ArrayList<>();
    for (int call = 1; call <= 3; call++) {
      taken.add(client.chatAsync(REQUEST));
      int waiting = call;
      quickly(() -> home.waiting() == waiting);
    }

    for (int call = 0; call < 5; call++) {
      assertThat(client.chat(REQUEST).endpoint()).isEqualTo("fallback");
    }
    Duration took = untilAllAreDone(taken);

    for (CompletableFuture<ChatResponse> call : taken) {
      assertThat(call.get().endpoint()).isEqualTo("home");
    }
    assertThat(took).isLessThan(LOAD.plusSeconds(2));
    assertThat(home.loadsBegun()).isOne();
    for (int second = 0; second < 8 && state() != EndpointState.UP; second++) {
      time.advance(Duration.ofSeconds(1));
      quickly(() -> !time.isChecking());
    }
    CompletableFuture<ChatResponse> next = client.chatAsync(REQUEST);
    untilAllAreDone(List.of(next));
    assertThat(next.get().endpoint()).isEqualTo("home");
  }

  @Test
  void theServerIsUpWhenTheFirstOfThemHasAPiece() {
    home.maxQueue(1);
    CompletableFuture<ChatResponse> taken = client.chatAsync(REQUEST);
    quickly(() -> home.waiting() == 1);
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("fallback");
    time.advance(Duration.ofMillis(1));
    quickly(() -> listsLoads || state() == EndpointState.WARMING);

    untilAllAreDone(List.of(taken));

    quickly(() -> listsLoads || state() == EndpointState.UP);
  }

  @Test
  void whoTakesALoadOverFromACallerInAHurryKeepsIt() throws Exception {
    ChatRequest hurried = REQUEST.toBuilder().deadline(Duration.ofSeconds(4)).build();
    CompletableFuture<ChatResponse> first = client.chatAsync(hurried);
    quickly(() -> home.waiting() == 1);
    CompletableFuture<ChatResponse> second = client.chatAsync(REQUEST);
    quickly(() -> home.waiting() == 2);

    untilAllAreDone(List.of(first));
    Duration more = untilAllAreDone(List.of(second));

    assertThat(first.get().endpoint()).isEqualTo("fallback");
    assertThat(second.get().endpoint()).isEqualTo("home");
    assertThat(more).isLessThan(LOAD.plusSeconds(2));
    assertThat(home.loadsBegun()).as("the one given up, and the other").isEqualTo(2);
  }

  @Test
  void warmUpThrowsOutNobody() throws Exception {
    CompletableFuture<ChatResponse> call = client.chatAsync(REQUEST);
    quickly(home::isLoading);
    client.warmUp();

    untilAllAreDone(List.of(call));

    assertThat(call.get().endpoint()).isEqualTo("home");
    assertThat(home.loadsBegun()).isOne();
  }

  @Test
  void whoWouldWaitInVainMovesOnAndTheServerIsUsableOneLoadLater() throws Exception {
    home =
        new LoadingNode(loopback, time, Duration.ofSeconds(20), Duration.ofMillis(500))
            .listsLoads(listsLoads);
    client =
        loopback.client(
            LlmClient.builder()
                .endpoint(ollama("home", home.node()).build())
                .endpoint(ollama("fallback", loopback.node(Replies.answering("FALLBACK"))).build())
                .time(time));
    CompletableFuture<ChatResponse> first = client.chatAsync(REQUEST);
    quickly(() -> home.waiting() == 1);
    time.advance(Duration.ofSeconds(8));
    CompletableFuture<ChatResponse> second = client.chatAsync(REQUEST);
    quickly(() -> home.waiting() == 2);

    untilAllAreDone(List.of(first, second));

    assertThat(second.get().endpoint()).isEqualTo("fallback");
    assertThat(second.get().attempts().get(0).failure()).contains(FailureKind.MODEL_COLD);
    while (state() != EndpointState.UP) {
      quickly(() -> home.isLoading() || state() == EndpointState.UP);
      time.advance(Duration.ofSeconds(1));
    }
    assertThat(Duration.ofNanos(time.nanos())).isLessThan(Duration.ofSeconds(45));
  }
}
