// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import static dev.offmeter.testing.Loopback.ollama;
import static dev.offmeter.testing.Loopback.quickly;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.offmeter.observe.ClientStatus;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.observe.EndpointStatus;
import dev.offmeter.testing.Connection;
import dev.offmeter.testing.LoadingNode;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.Replies;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.UnaryOperator;
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
  /** Whether Ollama lists a model that it is still loading: until 0.32, and from 0.33 on. */
  @Parameter boolean listsLoads;

  @RegisterExtension final Loopback loopback = new Loopback();

  private static final ChatRequest REQUEST = ChatRequest.builder().user("a reminder").build();

  private ManualTime time;
  private LoadingNode home;
  private Node fallback;

  @BeforeEach
  void start() {
    time = loopback.manualTime();
    home =
        new LoadingNode(loopback, time, Duration.ofSeconds(20), Duration.ofMillis(500))
            .listsLoads(listsLoads);
    fallback = loopback.node(Replies.answering("FALLBACK"));
  }

  private LlmClient client(UnaryOperator<Endpoint.Builder> settings) {
    return loopback.client(
        LlmClient.builder()
            .endpoint(settings.apply(ollama("home", home.node())).build())
            .endpoint(ollama("fallback", fallback).build())
            .time(time));
  }

  private LlmClient client() {
    return client(home -> home);
  }

  private static EndpointStatus status(LlmClient client) {
    return client.status().endpoints().get(0);
  }

  private static void becomes(LlmClient client, EndpointState state) {
    quickly(() -> status(client).state() == state);
  }

  private static boolean isBack(LlmClient client) {
    EndpointState state = status(client).state();
    return state == EndpointState.UP || state == EndpointState.TRIAL;
  }

  private static boolean isDown(LlmClient client) {
    return status(client).state() == EndpointState.DOWN;
  }

  /** The first caller cannot know; his limit passes, and the load that he owned is lost. */
  private void firstCallFindsItCold(LlmClient client) throws Exception {
    CompletableFuture<ChatResponse> call = client.chatAsync(REQUEST);
    home.node().awaitAsked();
    time.advance(Duration.ofSeconds(15));
    assertThat(call.get().endpoint()).isEqualTo("fallback");
    quickly(() -> home.loadsAsked() == 1 && home.loadsBegun() == 2);
    if (status(client).state() != EndpointState.WARMING) {
      // The look was quicker than the news that the first load had been given up.
      time.advance(Duration.ofSeconds(2));
    }
    becomes(client, EndpointState.WARMING);
  }

  private ChatResponse answer(LlmClient client) throws Exception {
    return answer(client, Duration.ofMillis(500));
  }

  private ChatResponse answer(LlmClient client, Duration work) throws Exception {
    CompletableFuture<ChatResponse> call = client.chatAsync(REQUEST);
    quickly(() -> call.isDone() || home.isAtWork());
    time.advance(work);
    return call.get();
  }

  @Test
  void itServesWithinTwoLoadTimesAndNoFurtherCallerWaits() throws Exception {
    LlmClient client = client();
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
    LlmClient client = client();
    firstCallFindsItCold(client);

    assertThat(status(client).cause()).contains(FailureKind.MODEL_COLD);
    Attempt passedOver = client.chat(REQUEST).attempts().get(0);
    assertThat(passedOver.failure()).contains(FailureKind.CIRCUIT_OPEN);
    assertThat(passedOver.message()).contains("MODEL_COLD").contains("being loaded");
  }

  @Test
  void onceItIsKnownHowLongALoadTakesNobodyWaitsForTheNext() throws Exception {
    LlmClient client = client();
    firstCallFindsItCold(client);
    time.advance(Duration.ofSeconds(20));
    becomes(client, EndpointState.UP);
    assertThat(answer(client).endpoint()).isEqualTo("home");
    home.drop();
    int looks = home.node().asides().size();
    time.advance(Duration.ofMinutes(6));
    quickly(() -> home.node().asides().size() > looks && !time.isChecking());

    CompletableFuture<ChatResponse> call = client.chatAsync(REQUEST);

    ChatResponse response = call.get();
    assertThat(response.endpoint()).isEqualTo("fallback");
    assertThat(response.elapsed()).isZero();
    assertThat(response.attempts().get(0).message())
        .contains("MODEL_COLD")
        // Two seconds more if it was first seen as a load that is still going on.
        .containsPattern("the last load took 2[02]000 ms");
    becomes(client, EndpointState.WARMING);
    quickly(() -> home.loadsAsked() == 2);
    quickly(() -> home.loadsBegun() == 3);
    time.advance(Duration.ofSeconds(20));
    becomes(client, EndpointState.UP);
    assertThat(answer(client).endpoint()).isEqualTo("home");
  }

  @Test
  void nobodyWaitsForALoadThatLeavesTooLittleTimeForTheAnswer() throws Exception {
    home =
        new LoadingNode(loopback, time, Duration.ofSeconds(20), Duration.ofSeconds(6))
            .listsLoads(listsLoads)
            .warm();
    LlmClient client =
        client(
            home -> home.timeout(Duration.ofSeconds(25)).firstTokenTimeout(Duration.ofSeconds(22)));
    assertThat(answer(client, Duration.ofSeconds(6)).endpoint()).isEqualTo("home");
    home.drop();
    client.warmUp();
    quickly(() -> home.loadsAsked() == 1);
    time.advance(Duration.ofSeconds(20));
    becomes(client, EndpointState.UP);
    home.drop();
    time.advance(Duration.ofMinutes(6));
    quickly(() -> !time.isChecking());

    ChatResponse response = client.chat(REQUEST);

    assertThat(response.endpoint()).isEqualTo("fallback");
    assertThat(response.elapsed()).isZero();
    becomes(client, EndpointState.WARMING);
  }

  @Test
  void whoWaitsAtANodeWhoseModelIsFoundColdMovesOnWhenItIsWarmed() throws Exception {
    LlmClient client = client();
    CompletableFuture<ChatResponse> first = client.chatAsync(REQUEST);
    home.node().awaitAsked();
    time.advance(Duration.ofSeconds(14));
    CompletableFuture<ChatResponse> second = client.chatAsync(REQUEST);
    quickly(() -> home.node().requests().size() == 2);
    time.advance(Duration.ofSeconds(1));
    assertThat(first.get().endpoint()).isEqualTo("fallback");
    if (listsLoads) {
      // The node's own clock, the two of the second call and that which watches the load.
      quickly(() -> home.loadsAsked() == 1 && time.pending() == 4);
      time.advance(Duration.ofSeconds(2));
    }

    assertThat(second.get().endpoint()).isEqualTo("fallback");
    assertThat(second.get().elapsed()).isEqualTo(Duration.ofSeconds(listsLoads ? 3 : 1));
    assertThat(second.get().attempts().get(0).failure()).contains(FailureKind.MODEL_COLD);
    assertThat(status(client).state()).isEqualTo(EndpointState.WARMING);
  }

  @Test
  void warmUpLoadsItBeforeAnybodyWaits() throws Exception {
    LlmClient client = client();
    CompletableFuture<ClientStatus> warm = client.warmUp();
    quickly(() -> home.loadsAsked() == 1);

    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("fallback");
    assertThat(status(client).state()).isEqualTo(EndpointState.WARMING);
    time.advance(Duration.ofSeconds(20));

    assertThat(warm.get().endpoints().get(0).state()).isEqualTo(EndpointState.UP);
    assertThat(answer(client).endpoint()).isEqualTo("home");
    assertThat(home.loadsBegun()).isOne();
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
    Node node = loopback.node(Replies.answering("HOME"));
    node.aside(
        (connection, request) -> {
          String path = request.line().split(" ")[1];
          switch (path) {
            case "/api/version" -> answer(200, "{\"version\":\"0.33.0\"}", connection, request);
            case "/api/ps" -> answer(200, "{\"models\":[" + models + "]}", connection, request);
            default -> answer(status, error, connection, request);
          }
        });
    LlmClient client =
        loopback.client(LlmClient.builder().endpoint(ollama("home", node).build()).time(time));

    EndpointStatus found = client.warmUp().get().endpoints().get(0);

    assertThat(found.state()).isEqualTo(EndpointState.DOWN);
    assertThat(found.cause()).contains(kind);
  }

  private static void answer(
      int status, String body, Connection connection, Connection.Request request)
      throws IOException {
    Replies.status(status, "application/json", body).answer(connection, request);
  }

  @Test
  void theLoadHasTheOptionsOfACallAndNoPrompt() throws Exception {
    LlmClient client =
        client(home -> home.option("num_ctx", 8192).keepAlive(Duration.ofSeconds(-1)));
    client.warmUp();
    quickly(() -> home.loadsAsked() == 1);

    Connection.Request load = home.node().asides().get(2);
    assertThat(load.line()).isEqualTo("POST /api/generate HTTP/1.1");
    assertThat(load.body())
        .isEqualTo(
            "{\"model\":\"home-model\",\"prompt\":\"\",\"stream\":false,\"shift\":false,"
                + "\"keep_alive\":-1,\"options\":{\"num_ctx\":8192}}");
    time.advance(Duration.ofSeconds(20));
  }

  @Test
  void warmUpLearnsThatNobodyIsThere() throws Exception {
    home.off(true);
    LlmClient client = client();

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
            LlmClient.builder().endpoint(ollama("home", home.node()).build()).time(time));
    client.warmUp();
    quickly(() -> home.loadsAsked() == 1);

    CompletableFuture<ChatResponse> call = client.chatAsync(REQUEST);
    quickly(() -> time.pending() == 2);
    time.advance(Duration.ofSeconds(20));
    quickly(home::isAtWork);
    time.advance(Duration.ofMillis(500));

    assertThat(call.get().endpoint()).isEqualTo("home");
    assertThat(call.get().elapsed()).isEqualTo(Duration.ofMillis(20_500));
    assertThat(home.loadsBegun()).isOne();
  }

  /** The other endpoint has failed; what is left are the clocks of the load and of the wait. */
  private void waitsForTheLoad(LlmClient client) {
    quickly(
        () ->
            client.status().endpoints().get(1).state() == EndpointState.DOWN
                && time.pending() == 2);
  }

  @Test
  void soDoesACallWhoseOtherEndpointsFail() throws Exception {
    fallback.behaves(Replies.status(530, "text/plain", "error code: 1033"));
    LlmClient client = client();
    client.warmUp();
    quickly(() -> home.loadsAsked() == 1);

    CompletableFuture<ChatResponse> call = client.chatAsync(REQUEST);
    waitsForTheLoad(client);
    time.advance(Duration.ofSeconds(20));
    quickly(home::isAtWork);
    time.advance(Duration.ofMillis(500));

    assertThat(call.get().endpoint()).isEqualTo("home");
  }

  @Test
  void ofTwoLoadsTheQuickerOneIsWaitedFor() throws Exception {
    LoadingNode slow =
        new LoadingNode(loopback, time, Duration.ofMinutes(5), Duration.ofMillis(500))
            .listsLoads(listsLoads);
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(ollama("slow", slow.node()).build())
                .endpoint(ollama("home", home.node()).build())
                .time(time));
    client.warmUp();
    quickly(() -> home.loadsAsked() == 1 && slow.isLoading());

    CompletableFuture<ChatResponse> call = client.chatAsync(REQUEST);
    quickly(() -> time.pending() == 3);
    time.advance(Duration.ofSeconds(20));
    quickly(home::isAtWork);
    time.advance(Duration.ofMillis(500));

    assertThat(call.get().endpoint()).isEqualTo("home");
  }

  @Test
  void aCallThatWaitsForALoadIsEndedByItsDeadline() throws Exception {
    fallback.behaves(Replies.status(530, "text/plain", "error code: 1033"));
    LlmClient client = client();
    client.warmUp();
    quickly(() -> home.loadsAsked() == 1);

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
            LlmClient.builder().endpoint(ollama("home", home.node()).build()).time(time));
    client.warmUp();
    quickly(() -> home.loadsAsked() == 1);

    CompletableFuture<ChatResponse> call =
        client.chatAsync(REQUEST.toBuilder().deadline(Duration.ofSeconds(10)).build());
    quickly(() -> time.pending() == 2);
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
    LlmClient client = client();
    client.warmUp();
    quickly(() -> home.loadsAsked() == 1);
    home.freeze();

    for (int look = 0; look < 3; look++) {
      beginNextLook();
      loseLook();
    }

    becomes(client, EndpointState.DOWN);
    assertThat(status(client).cause()).contains(FailureKind.UNRESPONSIVE);
  }

  @Test
  void aLoadThatFailsTakesItDownWithGrowingPauses() throws Exception {
    home.node()
        .aside(
            Replies.aside(
                Replies.status(500, "application/json", "{\"error\":\"not enough memory\"}")));
    LlmClient client = client();
    client.warmUp().get();

    assertThat(status(client).state()).isEqualTo(EndpointState.DOWN);
    assertThat(status(client).cause()).contains(FailureKind.SERVER_ERROR);
    assertThat(status(client).message()).contains("not enough memory");
    for (int second = 0; second < 120; second++) {
      time.advance(Duration.ofSeconds(1));
      quickly(() -> !time.isChecking());
    }
    assertThat(home.node().loadsAsked()).as("loads in two minutes").isBetween(2L, 5L);
    assertThat(home.node().requests()).isEmpty();
  }

  @Test
  void afterAnOutageItIsLoadedBeforeACallGoesThere() throws Exception {
    home.off(true);
    LlmClient client = client();
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("fallback");
    home.off(false);

    time.advance(Duration.ofMillis(1300));
    becomes(client, EndpointState.WARMING);
    quickly(() -> home.loadsAsked() == 1);
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("fallback");
    time.advance(Duration.ofSeconds(20));
    becomes(client, EndpointState.UP);

    assertThat(answer(client).endpoint()).isEqualTo("home");
  }

  @Test
  void allWhoWaitForALoadAfterAnOutageAreServed() throws Exception {
    home.off(true);
    LlmClient client =
        loopback.client(
            LlmClient.builder().endpoint(ollama("home", home.node()).build()).time(time));
    assertThatThrownBy(() -> client.chat(REQUEST)).isInstanceOf(LlmException.class);
    home.off(false);
    time.advance(Duration.ofMillis(1300));
    becomes(client, EndpointState.WARMING);
    quickly(() -> home.loadsAsked() == 1);
    List<CompletableFuture<ChatResponse>> calls = new ArrayList<>();
    for (int i = 0; i < 5; i++) {
      calls.add(client.chatAsync(REQUEST));
    }
    quickly(() -> time.pending() == 6);
    time.advance(Duration.ofSeconds(20));
    CompletableFuture<Void> all = CompletableFuture.allOf(calls.toArray(CompletableFuture[]::new));
    while (!all.isDone()) {
      quickly(() -> home.isAtWork() || all.isDone());
      time.advance(Duration.ofMillis(500));
    }

    for (CompletableFuture<ChatResponse> call : calls) {
      assertThat(call.get().endpoint()).isEqualTo("home");
    }
  }

  @Test
  void oneLostLookEndsNoLoad() throws Exception {
    LlmClient client = client();
    client.warmUp();
    quickly(() -> home.loadsAsked() == 1);
    home.losesLooks(true);
    time.advance(Duration.ofMillis(1250));
    quickly(home::keepsALookWaiting);
    time.advance(Duration.ofSeconds(2));
    home.losesLooks(false);

    assertThat(status(client).state()).isEqualTo(EndpointState.WARMING);
    time.advance(Duration.ofSeconds(17));
    becomes(client, EndpointState.UP);
    assertThat(home.loadsBegun()).isOne();
  }

  private void beginNextLook() {
    while (!time.isLooking()) {
      time.advance(Duration.ofMillis(100));
    }
  }

  /** To its limit and no further: the next one follows a quarter of a second later. */
  private void loseLook() {
    while (time.isLooking()) {
      time.advance(Duration.ofMillis(100));
    }
  }

  @Test
  void lostLooksThatAreNotInARowEndNoLoad() throws Exception {
    LlmClient client = client();
    client.warmUp();
    quickly(() -> home.loadsAsked() == 1);
    for (int pair = 0; pair < 2; pair++) {
      home.losesLooks(true);
      beginNextLook();
      loseLook();
      home.losesLooks(false);
      beginNextLook();
      quickly(() -> !time.isLooking());
    }

    assertThat(status(client).state()).isEqualTo(EndpointState.WARMING);
    home.losesLooks(false);
    time.advance(Duration.ofSeconds(20));
    becomes(client, EndpointState.UP);
    assertThat(home.loadsBegun()).isOne();
  }

  /** Mute towards checks for as long as it loads, as a machine may be that is short of memory. */
  @Test
  void aModelWhoseLoadMakesTheNodeMuteIsLoadedInTheEnd() {
    home =
        new LoadingNode(loopback, time, Duration.ofSeconds(12), Duration.ofMillis(500))
            .listsLoads(listsLoads);
    LlmClient client = client();
    client.warmUp();
    quickly(() -> home.loadsBegun() == 1);
    home.losesLooks(true);

    for (int second = 0; second < 600 && !isBack(client); second++) {
      time.advance(Duration.ofSeconds(1));
      quickly(() -> !time.isLooking() || home.keepsALookWaiting());
      quickly(() -> !isDown(client) || (!time.isChecking() && !home.isLoading()));
      home.losesLooks(!isDown(client));
    }

    assertThat(isBack(client)).as("%s", status(client)).isTrue();
    assertThat(home.loadsBegun()).as("loads, the first of which was given up").isBetween(2, 3);
  }

  @Test
  void aKeepAliveOfSixHundredYearsIsForEver() {
    home.warm();
    LlmClient client = client(home -> home.keepAlive(Duration.ofDays(220_000)));

    assertThat(client.warmUp().join().endpoints().get(0).state()).isEqualTo(EndpointState.UP);
  }

  @Test
  void keepWarmAsksForItTwiceInEveryKeepAlive() throws Exception {
    home.warm();
    LlmClient client = client(home -> home.keepWarm(true).keepAlive(Duration.ofMinutes(1)));
    assertThat(answer(client).endpoint()).isEqualTo("home");

    for (int i = 1; i <= 4; i++) {
      time.advance(Duration.ofSeconds(30));
      int times = i;
      quickly(() -> home.loadsAsked() == times && !time.isChecking());
    }

    assertThat(status(client).state()).isEqualTo(EndpointState.UP);
    client.close();
    time.advance(Duration.ofMinutes(10));
    assertThat(home.loadsAsked()).isEqualTo(4);
  }

  @Test
  void aClientThatWasClosedWarmsNothing() {
    LlmClient client = client();
    client.close();

    assertThatThrownBy(client::warmUp)
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("the client must be open, was closed");
    assertThat(home.node().asides()).isEmpty();
  }
}
