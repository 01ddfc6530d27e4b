// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.models;

import static dev.offmeter.testing.Loopback.awaitSoon;
import static dev.offmeter.testing.Loopback.ollama;
import static dev.offmeter.testing.TwoNodes.primaryState;
import static dev.offmeter.testing.TwoNodes.primaryStatus;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.offmeter.AllEndpointsFailedException;
import dev.offmeter.Attempt;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ClientInternals;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.LlmException;
import dev.offmeter.observe.ClientStatus;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.observe.EndpointStatus;
import dev.offmeter.testing.Connection;
import dev.offmeter.testing.LoadingNode;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.TwoNodes;
import java.io.IOException;
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
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A model that takes 20 s to load, and callers who wait 15 s. */
@ParameterizedClass
@ValueSource(booleans = {true, false})
@Timeout(30)
class ColdModelTest {
  /** True for Ollama until 0.32, which lists a model while it loads it; false from 0.33 on. */
  @Parameter boolean listsLoads;

  @RegisterExtension final Loopback loopback = new Loopback();

  private static final ChatRequest REQUEST = ChatRequest.builder().user("a reminder").build();

  private final ManualTime time = loopback.manualTime();
  private LoadingNode home =
      new LoadingNode(loopback, time, Duration.ofSeconds(20), Duration.ofMillis(500));
  private TwoNodes nodes = TwoNodes.behind(home, loopback, time);
  private final Node fallback = nodes.fallback();

  @BeforeEach
  void listModel() {
    home.listModelWhileLoading(listsLoads);
  }

  private static void becomes(LlmClient client, EndpointState state) {
    awaitSoon(() -> primaryState(client) == state);
  }

  private static boolean isBack(LlmClient client) {
    EndpointState state = primaryState(client);
    return state == EndpointState.UP || state == EndpointState.TRIAL;
  }

  private static boolean isDown(LlmClient client) {
    return primaryState(client) == EndpointState.DOWN;
  }

  /** The first caller cannot know: its timeout passes, and the load that it began is lost. */
  private void firstCallFindsItCold(LlmClient client) throws Exception {
    CompletableFuture<ChatResponse> call = client.chatAsync(REQUEST);
    home.node().awaitFirstRequest();
    time.advance(Duration.ofSeconds(15));
    assertThat(call.get().endpoint()).isEqualTo("fallback");
    awaitSoon(() -> home.loadRequests() == 1 && home.loadsStarted() == 2);
    if (primaryState(client) != EndpointState.WARMING) {
      // The health check was quicker than the news that the first load had been given up.
      time.advance(Duration.ofSeconds(2));
    }
    becomes(client, EndpointState.WARMING);
  }

  private ChatResponse answer(LlmClient client) throws Exception {
    return answer(client, Duration.ofMillis(500));
  }

  private ChatResponse answer(LlmClient client, Duration work) throws Exception {
    CompletableFuture<ChatResponse> call = client.chatAsync(REQUEST);
    awaitSoon(() -> call.isDone() || home.isAnswering());
    time.advance(work);
    return call.get();
  }

  @Test
  void itServesWithinTwoLoadTimesAndNoFurtherCallerWaits() throws Exception {
    LlmClient client = nodes.client();
    firstCallFindsItCold(client);

    for (int second = 0; second < 17; second++) {
      ChatResponse meanwhile = client.chat(REQUEST);
      assertThat(meanwhile.endpoint()).isEqualTo("fallback");
      assertThat(meanwhile.elapsed()).isZero();
      time.advance(Duration.ofSeconds(1));
    }
    time.advance(Duration.ofSeconds(3));
    becomes(client, EndpointState.UP);

    assertThat(Duration.ofNanos(time.nanos())).isLessThan(Duration.ofSeconds(40));
    assertThat(answer(client).endpoint()).isEqualTo("home");
    assertThat(home.node().requests()).as("calls that touched it").hasSize(2);
  }

  @Test
  void statusSaysThatItIsBeingLoadedAndSoDoesACallThatPassesItOver() throws Exception {
    LlmClient client = nodes.client();
    firstCallFindsItCold(client);

    assertThat(primaryStatus(client).cause()).contains(FailureKind.MODEL_COLD);
    Attempt passedOver = client.chat(REQUEST).attempts().get(0);
    assertThat(passedOver.failure()).contains(FailureKind.CIRCUIT_OPEN);
    assertThat(passedOver.message()).contains("MODEL_COLD").contains("being loaded");
  }

  @Test
  void onceItIsKnownHowLongALoadTakesNobodyWaitsForTheNext() throws Exception {
    LlmClient client = nodes.client();
    firstCallFindsItCold(client);
    time.advance(Duration.ofSeconds(20));
    becomes(client, EndpointState.UP);
    assertThat(answer(client).endpoint()).isEqualTo("home");
    home.unloadModel();
    int probes = home.node().probes().size();
    time.advance(Duration.ofMinutes(6));
    awaitSoon(() -> home.node().probes().size() > probes && !time.isProbing());

    CompletableFuture<ChatResponse> call = client.chatAsync(REQUEST);

    ChatResponse response = call.get();
    assertThat(response.endpoint()).isEqualTo("fallback");
    assertThat(response.elapsed()).isZero();
    assertThat(response.attempts().get(0).message())
        .contains("MODEL_COLD")
        // Two seconds more if it was first seen as a load that is still going on.
        .containsPattern("the last load took 2[02]000 ms");
    becomes(client, EndpointState.WARMING);
    awaitSoon(() -> home.loadRequests() == 2);
    awaitSoon(() -> home.loadsStarted() == 3);
    time.advance(Duration.ofSeconds(20));
    becomes(client, EndpointState.UP);
    assertThat(answer(client).endpoint()).isEqualTo("home");
  }

  @Test
  void nobodyWaitsForALoadThatLeavesTooLittleTimeForTheAnswer() throws Exception {
    home =
        new LoadingNode(loopback, time, Duration.ofSeconds(20), Duration.ofSeconds(6))
            .listModelWhileLoading(listsLoads)
            .preloadModel();
    nodes = TwoNodes.behind(home, loopback, time);
    LlmClient client =
        nodes.client(
            home -> home.timeout(Duration.ofSeconds(25)).firstTokenTimeout(Duration.ofSeconds(22)));
    assertThat(answer(client, Duration.ofSeconds(6)).endpoint()).isEqualTo("home");
    home.unloadModel();
    client.warmUp();
    awaitSoon(() -> home.loadRequests() == 1);
    time.advance(Duration.ofSeconds(20));
    becomes(client, EndpointState.UP);
    home.unloadModel();
    time.advance(Duration.ofMinutes(6));
    awaitSoon(() -> !time.isProbing());

    ChatResponse response = client.chat(REQUEST);

    assertThat(response.endpoint()).isEqualTo("fallback");
    assertThat(response.elapsed()).isZero();
    becomes(client, EndpointState.WARMING);
  }

  @Test
  void aCallAtANodeWhoseModelIsNotLoadedFailsOverWhenItIsBeingLoaded() throws Exception {
    LlmClient client = nodes.client();
    CompletableFuture<ChatResponse> first = client.chatAsync(REQUEST);
    home.node().awaitFirstRequest();
    time.advance(Duration.ofSeconds(14));
    CompletableFuture<ChatResponse> second = client.chatAsync(REQUEST);
    awaitSoon(() -> home.node().requests().size() == 2);
    time.advance(Duration.ofSeconds(1));
    assertThat(first.get().endpoint()).isEqualTo("fallback");
    if (listsLoads) {
      // The node's own clock, the two of the second call and that which watches the load.
      awaitSoon(() -> home.loadRequests() == 1 && time.pendingTasks() == 4);
      time.advance(Duration.ofSeconds(2));
    }

    assertThat(second.get().endpoint()).isEqualTo("fallback");
    assertThat(second.get().elapsed()).isEqualTo(Duration.ofSeconds(listsLoads ? 3 : 1));
    assertThat(second.get().attempts().get(0).failure()).contains(FailureKind.MODEL_COLD);
    assertThat(primaryState(client)).isEqualTo(EndpointState.WARMING);
  }

  @Test
  void warmUpLoadsItBeforeAnybodyWaits() throws Exception {
    LlmClient client = nodes.client();
    CompletableFuture<ClientStatus> warm = client.warmUp();
    awaitSoon(() -> home.loadRequests() == 1);

    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("fallback");
    assertThat(primaryState(client)).isEqualTo(EndpointState.WARMING);
    time.advance(Duration.ofSeconds(20));

    assertThat(warm.get().endpoints().get(0).state()).isEqualTo(EndpointState.UP);
    assertThat(answer(client).endpoint()).isEqualTo("home");
    assertThat(home.loadsStarted()).isOne();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "false | 500 | option 'num_ctx' must be of type integer | OPTION_REJECTED",
        "true  | 500 | option 'num_ctx' must be of type integer | OPTION_REJECTED",
        "false | 400 | invalid model name                       | MODEL_NOT_FOUND",
        "true  | 404 | model 'home-model' not found             | MODEL_NOT_FOUND"
      })
  void warmUpReportsNoEndpointToBeUpWhoseLoadIsRefusedForItsSettings(
      boolean listed, int status, String words, FailureKind kind) throws Exception {
    String error = "{\"error\":\"" + words.replace("'", "\\\"") + "\"}";
    String models = listed ? "{\"name\":\"home-model:latest\"}" : "";
    Node node = loopback.node(OllamaReplies.answering("HOME"));
    node.respondToProbesWith(
        (connection, request) -> {
          String path = request.line().split(" ")[1];
          switch (path) {
            case "/api/version" -> answer(200, "{\"version\":\"0.33.0\"}", connection, request);
            case "/api/ps" -> answer(200, "{\"models\":[" + models + "]}", connection, request);
            default -> answer(status, error, connection, request);
          }
        });
    LlmClient client =
        loopback.client(ClientInternals.builder(time).endpoint(ollama("home", node).build()));

    EndpointStatus found = client.warmUp().get().endpoints().get(0);

    assertThat(found.state()).isEqualTo(EndpointState.DOWN);
    assertThat(found.cause()).contains(kind);
  }

  private static void answer(
      int status, String body, Connection connection, Connection.Request request)
      throws IOException {
    OllamaReplies.status(status, "application/json", body).answer(connection, request);
  }

  @Test
  void theLoadHasTheOptionsOfACallAndNoPrompt() throws Exception {
    LlmClient client =
        nodes.client(home -> home.option("num_ctx", 8192).keepAlive(Duration.ofSeconds(-1)));
    client.warmUp();
    awaitSoon(() -> home.loadRequests() == 1);

    Connection.Request load = home.node().probes().get(2);
    assertThat(load.line()).isEqualTo("POST /api/generate HTTP/1.1");
    assertThat(load.body())
        .isEqualTo(
            "{\"model\":\"home-model\",\"prompt\":\"\",\"stream\":false,\"shift\":false,"
                + "\"keep_alive\":-1,\"options\":{\"num_ctx\":8192}}");
    time.advance(Duration.ofSeconds(20));
  }

  @Test
  void warmUpLearnsThatNobodyIsThere() throws Exception {
    home.setOff(true);
    LlmClient client = nodes.client();

    ClientStatus status = client.warmUp().get();

    assertThat(status.endpoints().get(0).state()).isEqualTo(EndpointState.DOWN);
    assertThat(status.endpoints().get(0).cause()).contains(FailureKind.TUNNEL_DOWN);
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("fallback");
    assertThat(home.node().requests()).isEmpty();
  }

  @Test
  void aCallThatHasNowhereElseToGoWaitsForTheLoad() throws Exception {
    LlmClient client =
        loopback.client(
            ClientInternals.builder(time).endpoint(ollama("home", home.node()).build()));
    client.warmUp();
    awaitSoon(() -> home.loadRequests() == 1);

    CompletableFuture<ChatResponse> call = client.chatAsync(REQUEST);
    awaitSoon(() -> time.pendingTasks() == 2);
    time.advance(Duration.ofSeconds(20));
    awaitSoon(home::isAnswering);
    time.advance(Duration.ofMillis(500));

    assertThat(call.get().endpoint()).isEqualTo("home");
    assertThat(call.get().elapsed()).isEqualTo(Duration.ofMillis(20_500));
    assertThat(home.loadsStarted()).isOne();
  }

  /** The other endpoint has failed; what is left are the clocks of the load and of the wait. */
  private void waitsForTheLoad(LlmClient client) {
    awaitSoon(
        () ->
            client.status().endpoints().get(1).state() == EndpointState.DOWN
                && time.pendingTasks() == 2);
  }

  @Test
  void soDoesACallWhoseOtherEndpointsFail() throws Exception {
    fallback.respondWith(OllamaReplies.status(530, "text/plain", "error code: 1033"));
    LlmClient client = nodes.client();
    client.warmUp();
    awaitSoon(() -> home.loadRequests() == 1);

    CompletableFuture<ChatResponse> call = client.chatAsync(REQUEST);
    waitsForTheLoad(client);
    time.advance(Duration.ofSeconds(20));
    awaitSoon(home::isAnswering);
    time.advance(Duration.ofMillis(500));

    assertThat(call.get().endpoint()).isEqualTo("home");
  }

  @Test
  void ofTwoLoadsTheQuickerOneIsWaitedFor() throws Exception {
    LoadingNode slow =
        new LoadingNode(loopback, time, Duration.ofMinutes(5), Duration.ofMillis(500))
            .listModelWhileLoading(listsLoads);
    LlmClient client =
        loopback.client(
            ClientInternals.builder(time)
                .endpoint(ollama("slow", slow.node()).build())
                .endpoint(ollama("home", home.node()).build()));
    client.warmUp();
    awaitSoon(() -> home.loadRequests() == 1 && slow.isLoading());

    CompletableFuture<ChatResponse> call = client.chatAsync(REQUEST);
    awaitSoon(() -> time.pendingTasks() == 3);
    time.advance(Duration.ofSeconds(20));
    awaitSoon(home::isAnswering);
    time.advance(Duration.ofMillis(500));

    assertThat(call.get().endpoint()).isEqualTo("home");
  }

  @Test
  void aCallThatWaitsForALoadIsEndedByItsDeadline() throws Exception {
    fallback.respondWith(OllamaReplies.status(530, "text/plain", "error code: 1033"));
    LlmClient client = nodes.client();
    client.warmUp();
    awaitSoon(() -> home.loadRequests() == 1);

    CompletableFuture<ChatResponse> call =
        client.chatAsync(REQUEST.toBuilder().deadline(Duration.ofSeconds(10)).build());
    waitsForTheLoad(client);
    time.advance(Duration.ofSeconds(10));

    assertThatThrownBy(call::get).hasCauseInstanceOf(AllEndpointsFailedException.class);
    time.advance(Duration.ofSeconds(10));
    becomes(client, EndpointState.UP);
  }

  @Test
  void theOnlyEndpointIsListedOnceWhenItsLoadTakesTooLong() throws Exception {
    LlmClient client =
        loopback.client(
            ClientInternals.builder(time).endpoint(ollama("home", home.node()).build()));
    client.warmUp();
    awaitSoon(() -> home.loadRequests() == 1);

    CompletableFuture<ChatResponse> call =
        client.chatAsync(REQUEST.toBuilder().deadline(Duration.ofSeconds(10)).build());
    awaitSoon(() -> time.pendingTasks() == 2);
    time.advance(Duration.ofSeconds(10));

    assertThatThrownBy(call::get)
        .cause()
        .isInstanceOfSatisfying(
            AllEndpointsFailedException.class,
            e -> {
              assertThat(e.attempts()).hasSize(1);
              assertThat(e.attempts().get(0).openedBy()).contains(FailureKind.MODEL_COLD);
              assertThat(e).hasMessageEndingWith("#model-cold");
              assertThat(e.retryAfter()).as("nobody knows how long a load takes").isEmpty();
            });
    time.advance(Duration.ofSeconds(10));
    becomes(client, EndpointState.UP);
  }

  @Test
  void aNodeThatDiesWhileItLoadsIsKnownToBeDown() throws Exception {
    LlmClient client = nodes.client();
    client.warmUp();
    awaitSoon(() -> home.loadRequests() == 1);
    home.freeze();

    for (int check = 1; check <= 12; check++) {
      assertThat(primaryStatus(client).state())
          .as("before check %s", check)
          .isEqualTo(EndpointState.WARMING);
      beginNextLook();
      loseHealthCheck();
    }

    becomes(client, EndpointState.DOWN);
    assertThat(primaryStatus(client).cause()).contains(FailureKind.UNRESPONSIVE);
  }

  @Test
  void aLoadThatFailsTakesItDownWithGrowingBackOff() throws Exception {
    home.node()
        .respondToProbesWith(
            OllamaReplies.probes(
                OllamaReplies.status(
                    500, "application/json", "{\"error\":\"not enough memory\"}")));
    LlmClient client = nodes.client();
    client.warmUp().get();

    assertThat(primaryState(client)).isEqualTo(EndpointState.DOWN);
    assertThat(primaryStatus(client).cause()).contains(FailureKind.SERVER_ERROR);
    assertThat(primaryStatus(client).message()).contains("not enough memory");
    for (int second = 0; second < 120; second++) {
      time.advance(Duration.ofSeconds(1));
      awaitSoon(() -> !time.isProbing());
    }
    assertThat(home.node().loadRequests()).as("loads in two minutes").isBetween(2L, 5L);
    assertThat(home.node().requests()).isEmpty();
  }

  @Test
  void afterAnOutageItIsLoadedBeforeACallGoesThere() throws Exception {
    home.setOff(true);
    LlmClient client = nodes.client();
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("fallback");
    home.setOff(false);

    time.advance(Duration.ofMillis(1300));
    becomes(client, EndpointState.WARMING);
    awaitSoon(() -> home.loadRequests() == 1);
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("fallback");
    time.advance(Duration.ofSeconds(20));
    becomes(client, EndpointState.UP);

    assertThat(answer(client).endpoint()).isEqualTo("home");
  }

  @Test
  void allWhoWaitForALoadAfterAnOutageAreServed() throws Exception {
    home.setOff(true);
    LlmClient client =
        loopback.client(
            ClientInternals.builder(time).endpoint(ollama("home", home.node()).build()));
    assertThatThrownBy(() -> client.chat(REQUEST)).isInstanceOf(LlmException.class);
    home.setOff(false);
    time.advance(Duration.ofMillis(1300));
    becomes(client, EndpointState.WARMING);
    awaitSoon(() -> home.loadRequests() == 1);
    List<CompletableFuture<ChatResponse>> calls = new ArrayList<>();
    for (int i = 0; i < 5; i++) {
      calls.add(client.chatAsync(REQUEST));
    }
    awaitSoon(() -> time.pendingTasks() == 6);
    time.advance(Duration.ofSeconds(20));
    CompletableFuture<Void> all = CompletableFuture.allOf(calls.toArray(CompletableFuture[]::new));
    while (!all.isDone()) {
      awaitSoon(() -> home.isAnswering() || all.isDone());
      time.advance(Duration.ofMillis(500));
    }

    for (CompletableFuture<ChatResponse> call : calls) {
      assertThat(call.get().endpoint()).isEqualTo("home");
    }
  }

  @Test
  void oneLostHealthCheckEndsNoLoad() throws Exception {
    LlmClient client = nodes.client();
    client.warmUp();
    awaitSoon(() -> home.loadRequests() == 1);
    home.dropHealthChecks(true);
    time.advance(Duration.ofMillis(1250));
    awaitSoon(home::isHealthCheckWaiting);
    time.advance(Duration.ofSeconds(2));
    home.dropHealthChecks(false);

    assertThat(primaryState(client)).isEqualTo(EndpointState.WARMING);
    time.advance(Duration.ofSeconds(17));
    becomes(client, EndpointState.UP);
    assertThat(home.loadsStarted()).isOne();
  }

  private void beginNextLook() {
    while (!time.isHealthChecking()) {
      time.advance(Duration.ofMillis(100));
    }
  }

  /** Lets a health check time out, and no further: the next follows a quarter of a second later. */
  private void loseHealthCheck() {
    while (time.isHealthChecking()) {
      time.advance(Duration.ofMillis(100));
    }
  }

  @Test
  void lostHealthChecksThatAreNotInARowEndNoLoad() throws Exception {
    LlmClient client = nodes.client();
    client.warmUp();
    awaitSoon(() -> home.loadRequests() == 1);
    for (int pair = 0; pair < 2; pair++) {
      home.dropHealthChecks(true);
      beginNextLook();
      loseHealthCheck();
      home.dropHealthChecks(false);
      beginNextLook();
      awaitSoon(() -> !time.isHealthChecking());
    }

    assertThat(primaryState(client)).isEqualTo(EndpointState.WARMING);
    home.dropHealthChecks(false);
    time.advance(Duration.ofSeconds(20));
    becomes(client, EndpointState.UP);
    assertThat(home.loadsStarted()).isOne();
  }

  /** Mute towards checks for as long as it loads, as a machine may be that is short of memory. */
  @Test
  void aModelWhoseLoadMakesTheNodeMuteIsLoadedAllTheSame() {
    home =
        new LoadingNode(loopback, time, Duration.ofSeconds(12), Duration.ofMillis(500))
            .listModelWhileLoading(listsLoads);
    nodes = TwoNodes.behind(home, loopback, time);
    LlmClient client = nodes.client();
    client.warmUp();
    awaitSoon(() -> home.loadsStarted() == 1);
    home.dropHealthChecks(true);

    for (int second = 0; second < 600 && !isBack(client); second++) {
      time.advance(Duration.ofSeconds(1));
      awaitSoon(() -> !time.isHealthChecking() || home.isHealthCheckWaiting());
      awaitSoon(() -> !isDown(client) || (!time.isProbing() && !home.isLoading()));
      home.dropHealthChecks(!isDown(client));
    }

    assertThat(isBack(client)).as("%s", primaryStatus(client)).isTrue();
    assertThat(home.loadsStarted()).as("loads").isOne();
  }

  @Test
  void aKeepAliveOfSixHundredYearsIsForEver() {
    home.preloadModel();
    LlmClient client = nodes.client(home -> home.keepAlive(Duration.ofDays(220_000)));

    assertThat(client.warmUp().join().endpoints().get(0).state()).isEqualTo(EndpointState.UP);
  }

  @Test
  void keepWarmAsksForItTwiceInEveryKeepAlive() throws Exception {
    home.preloadModel();
    LlmClient client = nodes.client(home -> home.keepWarm(true).keepAlive(Duration.ofMinutes(1)));
    assertThat(answer(client).endpoint()).isEqualTo("home");

    for (int i = 1; i <= 4; i++) {
      time.advance(Duration.ofSeconds(30));
      int times = i;
      awaitSoon(() -> home.loadRequests() == times && !time.isProbing());
    }

    assertThat(primaryState(client)).isEqualTo(EndpointState.UP);
    client.close();
    time.advance(Duration.ofMinutes(10));
    assertThat(home.loadRequests()).isEqualTo(4);
  }

  @Test
  void aClientThatWasClosedWarmsNothing() {
    LlmClient client = nodes.client();
    client.close();

    assertThatThrownBy(client::warmUp)
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("the client must be open, was closed");
    assertThat(home.node().probes()).isEmpty();
  }
}
