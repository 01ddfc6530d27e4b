// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.models;

import static dev.offmeter.testing.Loopback.awaitSoon;
import static dev.offmeter.testing.Loopback.ollama;
import static dev.offmeter.testing.TwoNodes.template;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.offmeter.Attempt;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.ClientInternals;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.testing.LoadingNode;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A cold model, callers who wait 15 s, and a template behind it. */
@ParameterizedClass
@ValueSource(booleans = {true, false})
@Timeout(30)
class TemplateFallbackTest {
  /** True for Ollama until 0.32, which lists a model while it loads it; false from 0.33 on. */
  @Parameter boolean listsLoads;

  @RegisterExtension final Loopback loopback = new Loopback();

  private static final ChatRequest REQUEST = ChatRequest.builder().user("a reminder").build();

  private static final Endpoint TEMPLATE = template();

  private ManualTime time;
  private LoadingNode home;

  @BeforeEach
  void start() {
    time = loopback.manualTime();
    home = node(Duration.ofSeconds(12));
  }

  private LoadingNode node(Duration load) {
    return new LoadingNode(loopback, time, load, Duration.ofMillis(500))
        .listModelWhileLoading(listsLoads);
  }

  private LlmClient client(Endpoint... endpoints) {
    return client(client -> client, endpoints);
  }

  private LlmClient client(UnaryOperator<LlmClient.Builder> settings, Endpoint... endpoints) {
    LlmClient.Builder builder = settings.apply(ClientInternals.builder(time));
    List.of(endpoints).forEach(builder::endpoint);
    return loopback.client(builder);
  }

  private Endpoint home() {
    return ollama("home", home.node()).build();
  }

  private static EndpointState state(LlmClient client, int endpoint) {
    return client.status().endpoints().get(endpoint).state();
  }

  private LlmClient warming(LlmClient client) {
    client.warmUp();
    awaitSoon(() -> home.loadRequests() == 1 && state(client, 0) == EndpointState.WARMING);
    return client;
  }

  /** The clock of the load is pending already, and so may be others. */
  private <T> CompletableFuture<T> waitsIn(CompletableFuture<T> call, int others) {
    awaitSoon(() -> call.isDone() || time.pendingTasks() == others + 1);
    assertThat(call).isNotDone();
    return call;
  }

  private ChatResponse answered(CompletableFuture<ChatResponse> call) throws Exception {
    awaitSoon(() -> call.isDone() || home.isAnswering());
    time.advance(Duration.ofMillis(500));
    return call.get();
  }

  @Test
  void aModelThatIsLoadedInTimeAnswersAndNoTemplate() throws Exception {
    LlmClient client = warming(client(home(), TEMPLATE));

    CompletableFuture<ChatResponse> call = waitsIn(client.chatAsync(REQUEST), 1);
    time.advance(Duration.ofSeconds(12));

    ChatResponse response = answered(call);
    assertThat(response.endpoint()).isEqualTo("home");
    assertThat(response.elapsed()).isEqualTo(Duration.ofMillis(12_500));
    assertThat(response.attempts())
        .extracting(Attempt::failure)
        .containsExactly(Optional.of(FailureKind.CIRCUIT_OPEN), Optional.empty());
    assertThat(home.loadsStarted()).isOne();
  }

  @Test
  void aTemplateAnswersWhenTheLimitOfTheServerHasPassed() throws Exception {
    home = node(Duration.ofSeconds(20));
    LlmClient client = warming(client(home(), TEMPLATE));

    CompletableFuture<ChatResponse> call = waitsIn(client.chatAsync(REQUEST), 1);
    time.advance(Duration.ofSeconds(15));

    ChatResponse response = call.get();
    assertThat(response.endpoint()).isEqualTo("template");
    assertThat(response.elapsed()).isEqualTo(Duration.ofSeconds(15));
    Attempt waited = response.attempts().get(1);
    assertThat(waited.endpoint()).isEqualTo("home");
    assertThat(waited.failure()).contains(FailureKind.CIRCUIT_OPEN);
    assertThat(waited.openedBy()).contains(FailureKind.MODEL_COLD);
    assertThat(waited.elapsed()).isEqualTo(Duration.ofSeconds(15));
    assertThat(waited.message())
        .isEqualTo("waited for, but its model was still being loaded after 15000 ms");
    time.advance(Duration.ofSeconds(5));
    awaitSoon(() -> state(client, 0) == EndpointState.UP);
    assertThat(home.loadsStarted()).isOne();
  }

  @ParameterizedTest
  @ValueSource(ints = {6, 20})
  void aBatchEndsWithTheModelsDrafts(int load) throws Exception {
    home = node(Duration.ofSeconds(load));
    LlmClient client = client(home(), TEMPLATE);
    List<String> drafts = new ArrayList<>();
    for (int draft = 0; draft < 12; draft++) {
      CompletableFuture<ChatResponse> call = client.chatAsync(REQUEST);
      while (!call.isDone()) {
        awaitSoon(() -> call.isDone() || home.isLoading() || home.isAnswering());
        time.advance(Duration.ofMillis(500));
      }
      drafts.add(call.get().endpoint());
    }

    assertThat(drafts.subList(2, 12)).containsOnly("home");
    assertThat(Duration.ofNanos(time.nanos())).isLessThan(Duration.ofSeconds(60));
  }

  @Test
  void aTemplateAnswersWhileTheModelLoadsIfItIsToldTo() {
    Endpoint template =
        Endpoint.local("template", request -> "TEMPLATE").answerWhileModelLoads(true).build();
    LlmClient client = warming(client(home(), template));

    ChatResponse response = client.chat(REQUEST);

    assertThat(response.endpoint()).isEqualTo("template");
    assertThat(response.elapsed()).isZero();
  }

  @Test
  void aTemplateBeforeTheServerAnswersAtOnce() {
    LlmClient client = client(TEMPLATE, home());
    client.warmUp();
    awaitSoon(() -> home.loadRequests() == 1);

    assertThat(client.chat(REQUEST).elapsed()).isZero();
  }

  @Test
  void aServerBetweenAnswersWithoutAWait() {
    Node other = loopback.node(OllamaReplies.answering("OTHER"));
    LlmClient client = warming(client(home(), ollama("other", other).build(), TEMPLATE));

    ChatResponse response = client.chat(REQUEST);

    assertThat(response.endpoint()).isEqualTo("other");
    assertThat(response.elapsed()).isZero();
  }

  @Test
  void aDeadlineLeavesTheTemplateItsShare() throws Exception {
    LlmClient client = warming(client(home(), TEMPLATE));

    CompletableFuture<ChatResponse> call =
        waitsIn(client.chatAsync(REQUEST.toBuilder().deadline(Duration.ofSeconds(10)).build()), 1);
    time.advance(Duration.ofSeconds(9));

    ChatResponse response = call.get();
    assertThat(response.endpoint()).isEqualTo("template");
    assertThat(response.elapsed()).isEqualTo(Duration.ofSeconds(9));
    assertThat(response.attempts()).hasSize(3);
    time.advance(Duration.ofSeconds(3));
  }

  @Test
  void whatTheCallHasAskedTheServerForIsTakenFromTheWait() throws Exception {
    home = node(Duration.ofSeconds(20));
    LlmClient client = client(home(), TEMPLATE);
    CompletableFuture<ChatResponse> call = client.chatAsync(REQUEST);
    home.node().awaitFirstRequest();
    time.advance(Duration.ofSeconds(15));

    assertThat(call.get().endpoint()).isEqualTo("template");
    assertThat(call.get().elapsed()).isEqualTo(Duration.ofSeconds(15));
  }

  @Test
  void ofTwoModelsTheOneThatIsLoadedFirstAnswers() throws Exception {
    LoadingNode slow = node(Duration.ofMinutes(5));
    LlmClient client = client(ollama("slow", slow.node()).build(), home(), TEMPLATE);
    client.warmUp();
    awaitSoon(() -> home.loadRequests() == 1 && slow.isLoading());
    awaitSoon(() -> state(client, 0) == EndpointState.WARMING);
    awaitSoon(() -> state(client, 1) == EndpointState.WARMING);

    CompletableFuture<ChatResponse> call = waitsIn(client.chatAsync(REQUEST), 2);
    time.advance(Duration.ofSeconds(12));

    assertThat(answered(call).endpoint()).isEqualTo("home");
  }

  @Test
  void eachOfTwoModelsIsWaitedForAsLongAsItsOwnLimit() throws Exception {
    home = node(Duration.ofMinutes(5));
    LoadingNode second = node(Duration.ofSeconds(30));
    LlmClient client = client(home(), ollama("second", second.node()).build(), TEMPLATE);
    client.warmUp();
    awaitSoon(() -> home.isLoading() && second.isLoading());
    awaitSoon(() -> state(client, 0) == EndpointState.WARMING);
    awaitSoon(() -> state(client, 1) == EndpointState.WARMING);
    CompletableFuture<ChatResponse> call = waitsIn(client.chatAsync(REQUEST), 2);

    time.advance(Duration.ofSeconds(15));
    awaitSoon(() -> call.isDone() || time.pendingTasks() == 3);
    time.advance(Duration.ofSeconds(15));
    awaitSoon(second::isAnswering);
    time.advance(Duration.ofMillis(500));

    assertThat(call.get().endpoint()).isEqualTo("second");
    assertThat(call.get().attempts())
        .extracting(Attempt::endpoint)
        .containsExactly("home", "second", "home", "second");
  }

  @Test
  void aServerThatGoesDownMeanwhileIsWaitedForNoLonger() throws Exception {
    home.node().respondToProbesWith(OllamaReplies.probes(OllamaReplies.hanging()));
    LlmClient client = client(home(), TEMPLATE);
    client.warmUp();
    awaitSoon(() -> state(client, 0) == EndpointState.WARMING);
    CompletableFuture<ChatResponse> call = client.chatAsync(REQUEST);
    awaitSoon(() -> home.node().loadRequests() == 1 && time.pendingTasks() == 1);

    home.node().close();
    for (int second = 0; second < 10 && state(client, 0) != EndpointState.DOWN; second++) {
      time.advance(Duration.ofSeconds(1));
      awaitSoon(() -> !time.isProbing());
    }

    assertThat(state(client, 0)).isEqualTo(EndpointState.DOWN);
    assertThat(call.get().endpoint()).isEqualTo("template");
    assertThat(call.get().elapsed()).isLessThan(Duration.ofSeconds(10));
  }

  @Test
  void aCancelledCallWaitsNoLonger() {
    LlmClient client = warming(client(home(), TEMPLATE));
    CompletableFuture<ChatResponse> call = waitsIn(client.chatAsync(REQUEST), 1);

    call.cancel(true);

    awaitSoon(() -> time.pendingTasks() == 1);
  }

  @Test
  void aClientThatIsClosedEndsTheWaitAndTheLoad() {
    LlmClient client = warming(client(home(), TEMPLATE));
    CompletableFuture<ChatResponse> call = waitsIn(client.chatAsync(REQUEST), 1);

    client.close();

    assertThatThrownBy(call::get).hasMessageContaining("the client was closed");
    awaitSoon(() -> !home.isLoading());
  }

  @Test
  void aStreamWaitsToo() throws Exception {
    LlmClient client = warming(client(home(), TEMPLATE));
    try (ChatStream stream = client.stream(REQUEST)) {
      CompletableFuture<ChatResponse> call =
          waitsIn(CompletableFuture.supplyAsync(stream::response), 1);
      time.advance(Duration.ofSeconds(12));

      assertThat(answered(call).endpoint()).isEqualTo("home");
    }
  }

  @Test
  void aStreamThatIsClosedWaitsNoLonger() {
    LlmClient client = warming(client(home(), TEMPLATE));
    ChatStream stream = client.stream(REQUEST);
    CompletableFuture<ChatResponse> call =
        waitsIn(CompletableFuture.supplyAsync(stream::response), 1);

    stream.close();

    assertThatThrownBy(call::get).hasMessageContaining("the stream was closed");
    assertThat(home.isLoading()).as("its load goes on").isTrue();
  }

  @Test
  void aHedgedCallWaitsToo() throws Exception {
    LlmClient client =
        warming(client(builder -> builder.hedgeAfter(Duration.ofSeconds(1)), home(), TEMPLATE));

    CompletableFuture<ChatResponse> call = waitsIn(client.chatAsync(REQUEST), 1);
    time.advance(Duration.ofSeconds(12));

    assertThat(answered(call).endpoint()).isEqualTo("home");
  }
}
