// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.models;

import static dev.offmeter.testing.Loopback.awaitSoon;
import static dev.offmeter.testing.TwoNodes.primaryState;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.testing.LoadingNode;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.TwoNodes;
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
class CallsDuringLoadTest {
  /** True for Ollama until 0.32, which lists a model while it loads it; false from 0.33 on. */
  @Parameter boolean listsLoads;

  @RegisterExtension final Loopback loopback = new Loopback();

  private static final ChatRequest REQUEST = ChatRequest.builder().user("a reminder").build();
  private static final Duration LOAD = Duration.ofSeconds(6);

  private final ManualTime time = loopback.manualTime();
  private LoadingNode home = new LoadingNode(loopback, time, LOAD, Duration.ofMillis(500));
  private TwoNodes nodes = TwoNodes.behind(home, loopback, time);
  private LlmClient client = nodes.client();

  @BeforeEach
  void listModel() {
    home.listModelWhileLoading(listsLoads);
  }

  /** Moves time in small steps until all calls are done; returns how long that took. */
  private Duration untilAllAreDone(List<CompletableFuture<ChatResponse>> calls) {
    long since = time.nanos();
    CompletableFuture<Void> all = CompletableFuture.allOf(calls.toArray(CompletableFuture[]::new));
    while (!all.isDone()) {
      awaitSoon(
          () ->
              !time.isHealthChecking() && (all.isDone() || home.isLoading() || home.isAnswering()));
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
      awaitSoon(() -> home.waitingRequests() == waiting);
    }

    for (int call = 0; call < 5; call++) {
      assertThat(client.chat(REQUEST).endpoint()).isEqualTo("fallback");
    }
    Duration took = untilAllAreDone(taken);

    for (CompletableFuture<ChatResponse> call : taken) {
      assertThat(call.get().endpoint()).isEqualTo("home");
    }
    assertThat(took).isLessThan(LOAD.plusSeconds(2));
    assertThat(home.loadsStarted()).isOne();
    for (int second = 0; second < 8 && primaryState(client) != EndpointState.UP; second++) {
      time.advance(Duration.ofSeconds(1));
      awaitSoon(() -> !time.isProbing());
    }
    CompletableFuture<ChatResponse> next = client.chatAsync(REQUEST);
    untilAllAreDone(List.of(next));
    assertThat(next.get().endpoint()).isEqualTo("home");
  }

  @Test
  void theServerIsUpWhenTheFirstOfThemHasAPiece() {
    home.maxQueue(1);
    CompletableFuture<ChatResponse> taken = client.chatAsync(REQUEST);
    awaitSoon(() -> home.waitingRequests() == 1);
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("fallback");
    time.advance(Duration.ofMillis(1));
    awaitSoon(() -> listsLoads || primaryState(client) == EndpointState.WARMING);

    untilAllAreDone(List.of(taken));

    awaitSoon(() -> listsLoads || primaryState(client) == EndpointState.UP);
  }

  @Test
  void whoTakesALoadOverFromACallerInAHurryKeepsIt() throws Exception {
    ChatRequest hurried = REQUEST.toBuilder().deadline(Duration.ofSeconds(4)).build();
    CompletableFuture<ChatResponse> first = client.chatAsync(hurried);
    awaitSoon(() -> home.waitingRequests() == 1);
    CompletableFuture<ChatResponse> second = client.chatAsync(REQUEST);
    awaitSoon(() -> home.waitingRequests() == 2);

    untilAllAreDone(List.of(first));
    Duration more = untilAllAreDone(List.of(second));

    assertThat(first.get().endpoint()).isEqualTo("fallback");
    assertThat(second.get().endpoint()).isEqualTo("home");
    assertThat(more).isLessThan(LOAD.plusSeconds(2));
    assertThat(home.loadsStarted()).as("the one given up, and the other").isEqualTo(2);
  }

  @Test
  void warmUpThrowsOutNobody() throws Exception {
    CompletableFuture<ChatResponse> call = client.chatAsync(REQUEST);
    awaitSoon(home::isLoading);
    client.warmUp();

    untilAllAreDone(List.of(call));

    assertThat(call.get().endpoint()).isEqualTo("home");
    assertThat(home.loadsStarted()).isOne();
  }

  @Test
  void aCallThatWouldWaitInVainFailsOverAndTheServerIsUsableOneLoadLater() throws Exception {
    home =
        new LoadingNode(loopback, time, Duration.ofSeconds(20), Duration.ofMillis(500))
            .listModelWhileLoading(listsLoads);
    nodes = TwoNodes.behind(home, loopback, time);
    client = nodes.client();
    CompletableFuture<ChatResponse> first = client.chatAsync(REQUEST);
    awaitSoon(() -> home.waitingRequests() == 1);
    time.advance(Duration.ofSeconds(8));
    CompletableFuture<ChatResponse> second = client.chatAsync(REQUEST);
    awaitSoon(() -> home.waitingRequests() == 2);

    untilAllAreDone(List.of(first, second));

    assertThat(second.get().endpoint()).isEqualTo("fallback");
    assertThat(second.get().attempts().get(0).failure()).contains(FailureKind.MODEL_COLD);
    while (primaryState(client) != EndpointState.UP) {
      awaitSoon(() -> home.isLoading() || primaryState(client) == EndpointState.UP);
      time.advance(Duration.ofSeconds(1));
    }
    assertThat(Duration.ofNanos(time.nanos())).isLessThan(Duration.ofSeconds(45));
  }
}
