// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import static dev.offmeter.testing.Loopback.ollama;
import static dev.offmeter.testing.Loopback.quickly;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.observe.EndpointChange;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.testing.Changes;
import dev.offmeter.testing.LoadingNode;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.Reader;
import dev.offmeter.testing.Replies;
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

/** A node that lives, and a look that says otherwise, or is ended before it can say anything. */
@ParameterizedClass
@ValueSource(booleans = {true, false})
@Timeout(30)
class LostLookTest {
  /** Whether Ollama lists a model that it is still loading: until 0.32, and from 0.33 on. */
  @Parameter boolean listsLoads;

  @RegisterExtension final Loopback loopback = new Loopback();

  private static final ChatRequest REQUEST = ChatRequest.builder().user("a reminder").build();

  private final List<EndpointChange> changes = new CopyOnWriteArrayList<>();
  private final Semaphore tokens = new Semaphore(1);
  private ManualTime time;
  private LoadingNode home;
  private Node fallback;
  private LlmClient client;

  @BeforeEach
  void start() {
    time = loopback.manualTime();
    home =
        new LoadingNode(loopback, time, Duration.ofSeconds(20), Duration.ofMillis(500))
            .listsLoads(listsLoads)
            .warm();
    fallback = loopback.node(Replies.answering("FALLBACK"));
    client = client(endpoint -> endpoint);
  }

  private LlmClient client(UnaryOperator<Endpoint.Builder> settings) {
    return loopback.client(
        LlmClient.builder()
            .endpoint(settings.apply(ollama("home", home.node())).build())
            .endpoint(ollama("fallback", fallback).build())
            .listener(Changes.into(changes))
            .time(time));
  }

  private EndpointState state() {
    return client.status().endpoints().get(0).state();
  }

  private CompletableFuture<ChatResponse> ask() {
    int asked = home.node().requests().size();
    CompletableFuture<ChatResponse> call = client.chatAsync(REQUEST);
    quickly(() -> call.isDone() || home.node().requests().size() > asked);
    return call;
  }

  /** One call, and after 1.5 s the others, which join the look that the first begins. */
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

  /** It has been taken for dead once and was well again at once: one lost look is not enough. */
  private void isKnownToBeBusyAtTimes() throws Exception {
    home.drop();
    home.losesLooks(true);
    CompletableFuture<ChatResponse> first = ask();
    time.advance(Duration.ofSeconds(5));
    quickly(home::keepsALookWaiting);
    time.advance(Duration.ofSeconds(2));
    assertThat(first.get().endpoint()).isEqualTo("fallback");
    home.losesLooks(false);
    home.warm();
    time.advance(Duration.ofMillis(1300));
    quickly(() -> state() == EndpointState.TRIAL && !time.isChecking());
    CompletableFuture<ChatResponse> trial = ask();
    quickly(home::isAtWork);
    time.advance(Duration.ofMillis(500));
    assertThat(trial.get().endpoint()).isEqualTo("home");
    time.advance(Duration.ofSeconds(20));
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2})
  void oneLostLookIsOneHoweverManyCallsHaveJoinedIt(int callers) throws Exception {
    isKnownToBeBusyAtTimes();
    home.drop();
    home.losesLooks(true);
    int looks = home.node().asides().size();
    List<CompletableFuture<ChatResponse>> calls = ask(callers);

    time.advance(Duration.ofMillis(3500));
    quickly(() -> home.node().asides().size() > looks && home.keepsALookWaiting());
    time.advance(Duration.ofSeconds(2));
    quickly(() -> !time.isChecking());

    assertThat(home.node().asides()).as("looks").hasSize(looks + 1);
    assertThat(state()).isEqualTo(EndpointState.UP);
    assertThat(calls).noneMatch(CompletableFuture::isDone);
  }

  private void aPieceComesAndTheLookIsLost(CompletableFuture<ChatEvent> token) throws Exception {
    quickly(home::keepsALookWaiting);
    time.advance(Duration.ofMillis(100));
    tokens.release();
    token.get();
    time.advance(Duration.ofSeconds(2));
    quickly(() -> !time.isChecking());
  }

  @Test
  void aNodeThatSendsTokensWhileALookIsLostIsNotDead() throws Exception {
    home.losesLooks(true);
    home.node().behaves(Replies.tokenByToken(tokens));
    try (ChatStream stream = client.stream(REQUEST)) {
      Iterator<ChatEvent> events = talking(stream);
      CompletableFuture<ChatResponse> waiting = ask();
      CompletableFuture<ChatEvent> token = Reader.waitingFor(events::next);

      time.advance(Duration.ofSeconds(5));
      aPieceComesAndTheLookIsLost(token);

      assertThat(state()).isEqualTo(EndpointState.UP);
      assertThat(waiting).isNotDone();
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2})
  void aPieceThatCameDuringALookOutweighsItForAllWhoJoinedIt(int callers) throws Exception {
    home.losesLooks(true);
    home.node().behaves(Replies.tokenByToken(tokens));
    try (ChatStream stream = client.stream(REQUEST)) {
      Iterator<ChatEvent> events = talking(stream);
      List<CompletableFuture<ChatResponse>> calls = ask(callers);
      CompletableFuture<ChatEvent> token = Reader.waitingFor(events::next);

      time.advance(Duration.ofMillis(3500));
      aPieceComesAndTheLookIsLost(token);

      assertThat(home.node().asides()).as("looks").hasSize(1);
      assertThat(state()).isEqualTo(EndpointState.UP);
      assertThat(calls).noneMatch(CompletableFuture::isDone);
    }
  }

  @Test
  void aPieceThatComesDuringTheCheckOutweighsItsBadGateway() throws Exception {
    Semaphore replies = new Semaphore(0);
    Node.Script badGateway = Replies.status(504, "text/plain", "");
    home.node().aside(after(replies, badGateway)).behaves(Replies.tokenByToken(tokens));
    try (ChatStream stream = client.stream(REQUEST)) {
      Iterator<ChatEvent> events = talking(stream);
      CompletableFuture<ChatResponse> waiting = ask();
      CompletableFuture<ChatEvent> token = Reader.waitingFor(events::next);

      time.advance(Duration.ofSeconds(5));
      quickly(() -> home.node().asides().size() == 1);
      time.advance(Duration.ofMillis(100));
      tokens.release();
      token.get();
      replies.release();
      quickly(() -> !time.isChecking());

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
  void warmUpTakesNoNodeDownThatSendsTokensWhileALookIsLost() throws Exception {
    home.losesLooks(true);
    home.node().behaves(Replies.tokenByToken(tokens));
    try (ChatStream stream = client.stream(REQUEST)) {
      Iterator<ChatEvent> events = talking(stream);
      CompletableFuture<?> warm = client.warmUp();
      quickly(home::keepsALookWaiting);
      CompletableFuture<ChatEvent> token = Reader.waitingFor(events::next);

      time.advance(Duration.ofMillis(100));
      tokens.release();
      token.get();
      time.advance(Duration.ofSeconds(2));
      warm.get();

      assertThat(state()).isEqualTo(EndpointState.UP);
    }
  }

  @Test
  void aLookThatIsEndedByCloseTakesNothingDown() {
    home.drop();
    home.losesLooks(true);
    CompletableFuture<ChatResponse> call = ask();
    time.advance(Duration.ofSeconds(5));
    quickly(home::keepsALookWaiting);

    client.close();

    quickly(() -> !time.isChecking() && call.isDone());
    assertThat(changes).isEmpty();
  }

  @Test
  void aWarmUpThatIsEndedByCloseTakesNothingDown() {
    home.losesLooks(true);
    CompletableFuture<?> warm = client.warmUp();
    quickly(home::keepsALookWaiting);

    client.close();

    warm.join();
    assertThat(changes).isEmpty();
  }

  /** As one does that has a single thread: 20 s of work are well within its limit of 2 min. */
  @Test
  void aNodeThatAnswersNoLookWhileItWorksIsOfUse() throws Exception {
    home =
        new LoadingNode(loopback, time, Duration.ofSeconds(20), Duration.ofSeconds(20))
            .listsLoads(listsLoads)
            .warm();
    client = client(endpoint -> endpoint.timeout(Duration.ofMinutes(2)));
    List<String> answeredBy = new ArrayList<>();

    while (answeredBy.size() < 8 && !answeredBy.contains("home")) {
      answeredBy.add(askOneThatAnswersNoLookMeanwhile().endpoint());
      comesBack();
    }

    assertThat(answeredBy).contains("home");
  }

  private ChatResponse askOneThatAnswersNoLookMeanwhile() throws Exception {
    home.losesLooks(true);
    CompletableFuture<ChatResponse> call = ask();
    quickly(() -> call.isDone() || home.isAtWork());
    while (!call.isDone()) {
      time.advance(Duration.ofSeconds(1));
      quickly(() -> !time.isChecking() || home.keepsALookWaiting());
      quickly(() -> call.isDone() || home.isAtWork());
    }
    home.losesLooks(false);
    return call.get();
  }

  private void comesBack() {
    for (int second = 0; second < 600 && state() == EndpointState.DOWN; second++) {
      time.advance(Duration.ofSeconds(1));
      quickly(() -> !time.isChecking() || home.keepsALookWaiting());
    }
  }
}
