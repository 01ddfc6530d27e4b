// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.health;

import static dev.offmeter.testing.Loopback.awaitSoon;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.ChatEvent;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import dev.offmeter.observe.EndpointChange;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.testing.ChangeRecorder;
import dev.offmeter.testing.LoadingNode;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.SocketReader;
import dev.offmeter.testing.TwoNodes;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Semaphore;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A node is alive, and a health check says otherwise, or is ended before it can say anything. */
@ParameterizedClass
@ValueSource(booleans = {true, false})
@Timeout(30)
class LostHealthCheckTest {
  /** True for Ollama until 0.32, which lists a model while it loads it; false from 0.33 on. */
  @Parameter boolean listsLoads;

  @RegisterExtension final Loopback loopback = new Loopback();

  private static final ChatRequest REQUEST = ChatRequest.builder().user("a reminder").build();

  private final List<EndpointChange> changes = new CopyOnWriteArrayList<>();
  private final Semaphore tokens = new Semaphore(1);
  private final ManualTime time = loopback.manualTime();
  private LoadingNode home =
      new LoadingNode(loopback, time, Duration.ofSeconds(20), Duration.ofMillis(500))
          .preloadModel();
  private TwoNodes nodes = TwoNodes.behind(home, loopback, time);
  private final Node fallback = nodes.fallback();
  private LlmClient client = client(endpoint -> endpoint);

  @BeforeEach
  void listModel() {
    home.listModelWhileLoading(listsLoads);
  }

  private LlmClient client(UnaryOperator<Endpoint.Builder> settings) {
    return loopback.client(nodes.builder(settings).listener(ChangeRecorder.recordInto(changes)));
  }

  private EndpointState state() {
    return TwoNodes.primaryState(client);
  }

  private CompletableFuture<ChatResponse> ask() {
    int asked = home.node().requests().size();
    CompletableFuture<ChatResponse> call = client.chatAsync(REQUEST);
    awaitSoon(() -> call.isDone() || home.node().requests().size() > asked);
    return call;
  }

  /**
   * Makes one call, and after 1.5 s the others, which join the health check that the first begins.
   */
  private List<CompletableFuture<ChatResponse>> ask(int callers) {
    List<CompletableFuture<ChatResponse>> calls = new ArrayList<>();
    calls.add(ask());
    time.advance(Duration.ofMillis(1500));
    while (calls.size() < callers) {
      calls.add(ask());
    }
    return calls;
  }

  /** A stream whose first token has come. */
  private Iterator<ChatEvent> talking(ChatStream stream) {
    Iterator<ChatEvent> events = stream.iterator();
    events.next();
    return events;
  }

  /**
   * Brings the endpoint to where one lost health check is not enough: it was once marked DOWN, and
   * was back at once.
   */
  private void isKnownToBeBusyAtTimes() throws Exception {
    home.unloadModel();
    home.dropHealthChecks(true);
    CompletableFuture<ChatResponse> first = ask();
    time.advance(Duration.ofSeconds(5));
    awaitSoon(home::isHealthCheckWaiting);
    time.advance(Duration.ofSeconds(2));
    assertThat(first.get().endpoint()).isEqualTo("fallback");
    home.dropHealthChecks(false);
    home.preloadModel();
    time.advance(Duration.ofMillis(1300));
    awaitSoon(() -> state() == EndpointState.TRIAL && !time.isProbing());
    CompletableFuture<ChatResponse> trial = ask();
    awaitSoon(home::isAnswering);
    time.advance(Duration.ofMillis(500));
    assertThat(trial.get().endpoint()).isEqualTo("home");
    time.advance(Duration.ofSeconds(20));
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2})
  void oneLostHealthCheckIsOneHoweverManyCallsHaveJoinedIt(int callers) throws Exception {
    isKnownToBeBusyAtTimes();
    home.unloadModel();
    home.dropHealthChecks(true);
    int probes = home.node().probes().size();
    List<CompletableFuture<ChatResponse>> calls = ask(callers);

    time.advance(Duration.ofMillis(3500));
    awaitSoon(() -> home.node().probes().size() > probes && home.isHealthCheckWaiting());
    time.advance(Duration.ofSeconds(2));
    awaitSoon(() -> !time.isProbing());

    assertThat(home.node().probes()).as("health checks").hasSize(probes + 1);
    assertThat(state()).isEqualTo(EndpointState.UP);
    assertThat(calls).noneMatch(CompletableFuture::isDone);
  }

  private void aDeltaComesAndTheCheckIsLost(CompletableFuture<ChatEvent> token) throws Exception {
    awaitSoon(home::isHealthCheckWaiting);
    time.advance(Duration.ofMillis(100));
    tokens.release();
    token.get();
    time.advance(Duration.ofSeconds(2));
    awaitSoon(() -> !time.isProbing());
  }

  @Test
  void aNodeThatSendsTokensWhileAHealthCheckIsLostIsNotDead() throws Exception {
    home.dropHealthChecks(true);
    home.node().respondWith(OllamaReplies.tokenByToken(tokens));
    try (ChatStream stream = client.stream(REQUEST)) {
      Iterator<ChatEvent> events = talking(stream);
      CompletableFuture<ChatResponse> waiting = ask();
      CompletableFuture<ChatEvent> token = SocketReader.startReading(events::next);

      time.advance(Duration.ofSeconds(5));
      aDeltaComesAndTheCheckIsLost(token);

      assertThat(state()).isEqualTo(EndpointState.UP);
      assertThat(waiting).isNotDone();
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2})
  void aPieceThatCameDuringAHealthCheckOutweighsItForAllWhoJoinedIt(int callers) throws Exception {
    home.dropHealthChecks(true);
    home.node().respondWith(OllamaReplies.tokenByToken(tokens));
    try (ChatStream stream = client.stream(REQUEST)) {
      Iterator<ChatEvent> events = talking(stream);
      List<CompletableFuture<ChatResponse>> calls = ask(callers);
      CompletableFuture<ChatEvent> token = SocketReader.startReading(events::next);

      time.advance(Duration.ofMillis(3500));
      aDeltaComesAndTheCheckIsLost(token);

      assertThat(home.node().probes()).as("health checks").hasSize(1);
      assertThat(state()).isEqualTo(EndpointState.UP);
      assertThat(calls).noneMatch(CompletableFuture::isDone);
    }
  }

  @Test
  void aPieceThatComesDuringTheCheckOutweighsItsBadGateway() throws Exception {
    Semaphore replies = new Semaphore(0);
    Node.Script badGateway = OllamaReplies.status(504, "text/plain", "");
    home.node()
        .respondToProbesWith(after(replies, badGateway))
        .respondWith(OllamaReplies.tokenByToken(tokens));
    try (ChatStream stream = client.stream(REQUEST)) {
      Iterator<ChatEvent> events = talking(stream);
      CompletableFuture<ChatResponse> waiting = ask();
      CompletableFuture<ChatEvent> token = SocketReader.startReading(events::next);

      time.advance(Duration.ofSeconds(5));
      awaitSoon(() -> home.node().probes().size() == 1);
      time.advance(Duration.ofMillis(100));
      tokens.release();
      token.get();
      replies.release();
      awaitSoon(() -> !time.isProbing());

      assertThat(state()).isEqualTo(EndpointState.UP);
      assertThat(waiting).isNotDone();
    }
  }

  private static Node.Script after(Semaphore permits, Node.Script script) {
    return (connection, request) -> {
      permits.acquireUninterruptibly();
      script.answer(connection, request);
    };
  }

  @Test
  void warmUpTakesNoNodeDownThatSendsTokensWhileAHealthCheckIsLost() throws Exception {
    home.dropHealthChecks(true);
    home.node().respondWith(OllamaReplies.tokenByToken(tokens));
    try (ChatStream stream = client.stream(REQUEST)) {
      Iterator<ChatEvent> events = talking(stream);
      CompletableFuture<?> warm = client.warmUp();
      awaitSoon(home::isHealthCheckWaiting);
      CompletableFuture<ChatEvent> token = SocketReader.startReading(events::next);

      time.advance(Duration.ofMillis(100));
      tokens.release();
      token.get();
      time.advance(Duration.ofSeconds(2));
      warm.get();

      assertThat(state()).isEqualTo(EndpointState.UP);
    }
  }

  @Test
  void aHealthCheckThatIsEndedByCloseTakesNothingDown() {
    home.unloadModel();
    home.dropHealthChecks(true);
    CompletableFuture<ChatResponse> call = ask();
    time.advance(Duration.ofSeconds(5));
    awaitSoon(home::isHealthCheckWaiting);

    client.close();

    awaitSoon(() -> !time.isProbing() && call.isDone());
    assertThat(changes).isEmpty();
  }

  @Test
  void aWarmUpThatIsEndedByCloseTakesNothingDown() {
    home.dropHealthChecks(true);
    CompletableFuture<?> warm = client.warmUp();
    awaitSoon(home::isHealthCheckWaiting);

    client.close();

    warm.join();
    assertThat(changes).isEmpty();
  }

  /** A server with a single thread answers no check for 20 s, well within its limit of 2 min. */
  @Test
  void aNodeThatAnswersNoHealthCheckWhileItWorksIsUsable() throws Exception {
    home =
        new LoadingNode(loopback, time, Duration.ofSeconds(20), Duration.ofSeconds(20))
            .listModelWhileLoading(listsLoads)
            .preloadModel();
    nodes = TwoNodes.behind(home, loopback, time);
    client = client(endpoint -> endpoint.timeout(Duration.ofMinutes(2)));
    List<String> answeredBy = new ArrayList<>();

    while (answeredBy.size() < 8 && !answeredBy.contains("home")) {
      answeredBy.add(askOneThatAnswersNoLookMeanwhile().endpoint());
      comesBack();
    }

    assertThat(answeredBy).contains("home");
  }

  private ChatResponse askOneThatAnswersNoLookMeanwhile() throws Exception {
    home.dropHealthChecks(true);
    CompletableFuture<ChatResponse> call = ask();
    awaitSoon(() -> call.isDone() || home.isAnswering());
    while (!call.isDone()) {
      time.advance(Duration.ofSeconds(1));
      awaitSoon(() -> !time.isProbing() || home.isHealthCheckWaiting());
      awaitSoon(() -> call.isDone() || home.isAnswering());
    }
    home.dropHealthChecks(false);
    return call.get();
  }

  private void comesBack() {
    for (int second = 0; second < 600 && state() == EndpointState.DOWN; second++) {
      time.advance(Duration.ofSeconds(1));
      awaitSoon(() -> !time.isProbing() || home.isHealthCheckWaiting());
    }
  }
}
