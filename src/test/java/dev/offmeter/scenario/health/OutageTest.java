// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.health;

import static dev.offmeter.testing.Loopback.awaitSoon;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.ChatEvent;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.observe.EndpointChange;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.observe.EndpointStatus;
import dev.offmeter.observe.LlmListener;
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
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.ValueSource;

/** A node that dies, and comes back: what it costs, and how soon it is used again. */
@ParameterizedClass
@ValueSource(booleans = {true, false})
@Timeout(30)
class OutageTest {
  /** True for Ollama until 0.32, which lists a model while it loads it; false from 0.33 on. */
  @Parameter boolean listsLoads;

  @RegisterExtension final Loopback loopback = new Loopback();

  private static final ChatRequest REQUEST = ChatRequest.builder().user("a reminder").build();

  private final List<EndpointChange> changes = new CopyOnWriteArrayList<>();
  private final ManualTime time = loopback.manualTime();
  private final LoadingNode home =
      new LoadingNode(loopback, time, Duration.ofSeconds(20), Duration.ofMillis(500))
          .preloadModel();
  private final TwoNodes nodes = TwoNodes.behind(home, loopback, time);
  private final Node fallback = nodes.fallback();
  private final List<CompletableFuture<ChatResponse>> asking = new ArrayList<>();
  private volatile Runnable beforeHearing = () -> {};
  private final LlmClient client =
      loopback.client(
          nodes
              .builder()
              .listener(
                  new LlmListener() {
                    @Override
                    public void onEndpointChanged(EndpointChange change) {
                      beforeHearing.run();
                      changes.add(change);
                    }
                  }));

  @BeforeEach
  void listModel() {
    home.listModelWhileLoading(listsLoads);
  }

  private EndpointStatus status() {
    return TwoNodes.primaryStatus(client);
  }

  /** A call that has come as far as it can without more time. */
  private CompletableFuture<ChatResponse> ask() {
    int asked = home.node().requests().size();
    CompletableFuture<ChatResponse> call = client.chatAsync(REQUEST);
    awaitSoon(() -> call.isDone() || home.node().requests().size() > asked);
    asking.add(call);
    return call;
  }

  /** Lets time pass, and calls and health checks come as far as they can. */
  private void pass(Duration duration) {
    for (long left = duration.toMillis(); left > 0; left -= 250) {
      time.advance(Duration.ofMillis(Math.min(left, 250)));
      awaitSoon(() -> !time.isProbing() || home.isHealthCheckWaiting());
      awaitSoon(() -> isUp() || asking.stream().allMatch(CompletableFuture::isDone));
    }
  }

  /** Returns whether the endpoint is UP, so that a call may go on waiting there. */
  private boolean isUp() {
    return status().state() == EndpointState.UP;
  }

  @Test
  void aCallToAFrozenNodeFailsOverAfterSevenSecondsNotFifteen() throws Exception {
    home.freeze();
    CompletableFuture<ChatResponse> call = ask();

    time.advance(Duration.ofSeconds(5));
    awaitSoon(() -> home.node().probes().size() == 1);
    time.advance(Duration.ofSeconds(2));

    ChatResponse response = call.get();
    assertThat(response.endpoint()).isEqualTo("fallback");
    assertThat(response.elapsed()).isLessThanOrEqualTo(Duration.ofSeconds(8));
    assertThat(response.attempts().get(0).failure()).contains(FailureKind.UNRESPONSIVE);
    assertThat(response.attempts().get(0).message())
        .isEqualTo("silent, and no reply to a health check");
    assertThat(status().state()).isEqualTo(EndpointState.DOWN);
    assertThat(status().cause()).contains(FailureKind.UNRESPONSIVE);
  }

  @Test
  void aListenerThatIsSlowToHearKeepsNobodyAtADeadNode() {
    beforeHearing = () -> awaitSoon(asking.get(0)::isDone);
    home.freeze();
    ask();

    time.advance(Duration.ofSeconds(5));
    awaitSoon(() -> home.node().probes().size() == 1);
    time.advance(Duration.ofSeconds(2));

    assertThat(changes)
        .as("what was heard of once nobody was there")
        .extracting(EndpointChange::to)
        .containsExactly(EndpointState.DOWN);
  }

  @Test
  void aNodeThatAnswersTheHealthCheckKeepsItsWholeLimit() throws Exception {
    home.unloadModel();
    CompletableFuture<ChatResponse> call = ask();

    for (int second = 0; second < 14; second++) {
      time.advance(Duration.ofSeconds(1));
    }
    assertThat(fallback.requests()).isEmpty();
    time.advance(Duration.ofSeconds(1));

    assertThat(call.get().attempts().get(0).failure()).contains(FailureKind.ATTEMPT_TIMEOUT);
    awaitSoon(() -> home.node().probes().size() >= 2);
  }

  @Test
  void ofFiftyCallsThatWaitAtANodeThatDiesNoneWaitsOutItsLimit() throws Exception {
    List<CompletableFuture<ChatResponse>> calls = new ArrayList<>();
    for (int i = 0; i < 50; i++) {
      calls.add(ask());
    }
    awaitSoon(home::isAnswering);
    time.advance(Duration.ofMillis(500));
    assertThat(CompletableFuture.anyOf(calls.toArray(CompletableFuture[]::new)).get())
        .extracting("endpoint")
        .isEqualTo("home");
    home.freeze();
    int before = home.node().probes().size();

    time.advance(Duration.ofMillis(4500));
    awaitSoon(() -> home.node().probes().size() > before);
    time.advance(Duration.ofSeconds(2));

    int waitedItOut = 0;
    int moved = 0;
    for (CompletableFuture<ChatResponse> call : calls) {
      ChatResponse response = call.get();
      waitedItOut += response.elapsed().compareTo(Duration.ofSeconds(15)) >= 0 ? 1 : 0;
      moved += response.endpoint().equals("fallback") ? 1 : 0;
      assertThat(response.elapsed()).isLessThanOrEqualTo(Duration.ofSeconds(8));
    }
    assertThat(waitedItOut).isZero();
    assertThat(moved).isEqualTo(49);
    assertThat(home.node().probes()).as("one check for all").hasSize(before + 1);
  }

  @Test
  void ofFiftyCallsThatWaitAtANodeThatDiesAfterItsFirstCheckNoneWaitsOutItsLimit()
      throws Exception {
    List<CompletableFuture<ChatResponse>> calls = new ArrayList<>();
    home.unloadModel();
    for (int i = 0; i < 50; i++) {
      calls.add(ask());
    }
    time.advance(Duration.ofSeconds(5));
    awaitSoon(() -> home.node().probes().size() == 2);
    home.freeze();
    time.advance(Duration.ofSeconds(5));
    awaitSoon(() -> home.node().probes().size() == 3);
    time.advance(Duration.ofSeconds(2));

    for (CompletableFuture<ChatResponse> call : calls) {
      assertThat(call.get().attempts().get(0).failure()).contains(FailureKind.UNRESPONSIVE);
    }
  }

  @Test
  void inAMinutesOutageOneCallTouchesTheDeadNodeAndItIsUsedAgainWithinFiveSeconds()
      throws Exception {
    home.setOff(true);
    List<String> answeredBy = new ArrayList<>();
    for (int second = 0; second < 60; second += 4) {
      ChatResponse response = ask().get();
      assertThat(response.elapsed()).isZero();
      answeredBy.add(response.endpoint());
      pass(Duration.ofSeconds(4));
    }
    assertThat(answeredBy).hasSize(15).containsOnly("fallback");
    assertThat(home.node().requests()).as("calls that touched it").hasSize(1);

    home.setOff(false);
    home.preloadModel();
    // Calls come every four seconds, so the first may come at once and must not be lucky.
    pass(Duration.ofSeconds(4));
    CompletableFuture<ChatResponse> first = ask();
    awaitSoon(() -> first.isDone() || home.isAnswering());
    time.advance(Duration.ofMillis(500));

    assertThat(first.get().endpoint()).isEqualTo("home");
    assertThat(changes)
        .extracting(EndpointChange::to)
        .containsExactly(EndpointState.DOWN, EndpointState.TRIAL, EndpointState.UP);
  }

  @Test
  void inAMinuteOfSilenceTwoCallsTouchTheDeadNodeAndItIsUsedAgainWithinFiveSeconds()
      throws Exception {
    home.freeze();
    List<CompletableFuture<ChatResponse>> calls = new ArrayList<>();
    for (int second = 0; second < 60; second += 4) {
      calls.add(ask());
      pass(Duration.ofSeconds(4));
    }
    for (CompletableFuture<ChatResponse> call : calls) {
      assertThat(call.get().endpoint()).isEqualTo("fallback");
      assertThat(call.get().elapsed()).isLessThanOrEqualTo(Duration.ofSeconds(8));
    }
    assertThat(home.node().requests()).as("calls that touched it").hasSize(2);

    home.thaw();
    home.preloadModel();
    pass(Duration.ofSeconds(4));
    CompletableFuture<ChatResponse> first = ask();
    awaitSoon(() -> first.isDone() || home.isAnswering());
    time.advance(Duration.ofMillis(500));

    assertThat(first.get().endpoint()).isEqualTo("home");
  }

  @Test
  void whoFindsTheTunnelDownFreesThoseWhoWaitBehindIt() throws Exception {
    home.unloadModel();
    CompletableFuture<ChatResponse> waiting = ask();
    home.setOff(true);

    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("fallback");
    time.advance(Duration.ZERO);

    ChatResponse response = waiting.get();
    assertThat(response.endpoint()).isEqualTo("fallback");
    assertThat(response.attempts().get(0).failure()).contains(FailureKind.TUNNEL_DOWN);
    assertThat(response.elapsed()).isZero();
  }

  @Test
  void nothingIsAskedOfANodeThatSendsTokens() throws Exception {
    Semaphore tokens = new Semaphore(1);
    home.node().respondWith(OllamaReplies.tokenByToken(tokens));
    try (ChatStream stream = client.stream(REQUEST)) {
      Iterator<ChatEvent> events = stream.iterator();
      events.next();
      CompletableFuture<ChatResponse> waiting = ask();
      CompletableFuture<ChatEvent> token = SocketReader.startReading(events::next);
      time.advance(Duration.ofMillis(4500));
      tokens.release();
      token.get();

      time.advance(Duration.ofMillis(500));

      waiting.cancel(true);
      awaitSoon(() -> status().inFlight() == 1);
      assertThat(time.isProbing()).isFalse();
      assertThat(home.node().probes()).isEmpty();
    }
  }

  @Test
  void aLyingHealthCheckLeadsToGrowingBackOffAndToNoFlapping() throws Exception {
    home.node().respondWith(OllamaReplies.status(500, "", ""));
    for (int second = 0; second < 20 * 60; second += 4) {
      assertThat(client.chat(REQUEST).endpoint()).isEqualTo("fallback");
      time.advance(Duration.ofSeconds(4));
    }

    List<Long> pauses =
        changes.stream()
            .filter(change -> change.to() == EndpointState.DOWN)
            .map(change -> change.backoff().toSeconds())
            .toList();
    assertThat(pauses).hasSizeBetween(8, 11);
    assertThat(pauses.get(0)).as("a 500 at once costs a caller nothing").isBetween(1L, 3L);
    for (int i = 1; i < 5; i++) {
      assertThat(pauses.get(i)).isGreaterThan(pauses.get(i - 1) + pauses.get(i - 1) / 4);
    }
    assertThat(home.node().requests()).as("of 300 calls").hasSizeLessThanOrEqualTo(12);
  }
}
