// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.health;

import static dev.offmeter.testing.Loopback.awaitSoon;
import static dev.offmeter.testing.Loopback.ollama;
import static dev.offmeter.testing.TwoNodes.primaryState;
import static dev.offmeter.testing.TwoNodes.template;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.ChatEvent;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.ClientInternals;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.testing.Connection;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.SocketReader;
import java.io.IOException;
import java.time.Duration;
import java.util.Iterator;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** One health check that goes wrong takes no node down, whoever wanted it. */
@Timeout(30)
class FailedHealthCheckTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final ChatRequest REQUEST = ChatRequest.builder().user("a reminder").build();
  private static final Node.Script WELL =
      OllamaReplies.probes(OllamaReplies.loadCompleted(), "home-model:latest");
  private static final Duration SECOND = Duration.ofSeconds(1);

  /** The number of health checks that go wrong from now on. */
  private final AtomicInteger bad = new AtomicInteger();

  private volatile Bad how = Bad.BAD_GATEWAY;
  private ManualTime time;
  private Node home;
  private LlmClient client;

  /** The ways in which a health check goes wrong on its way. */
  enum Bad {
    BAD_GATEWAY,
    TUNNEL_DOWN,
    RESET,
    CLOSED,
    CUT,
    PAGE,
    SILENT;

    void answer(Connection connection, Connection.Request request) throws IOException {
      String page = "<html><title>Bad gateway</title></html>";
      switch (this) {
        case BAD_GATEWAY ->
            OllamaReplies.status(502, "text/html", page).answer(connection, request);
        case TUNNEL_DOWN ->
            OllamaReplies.status(530, "text/plain", "error code: 1033").answer(connection, request);
        case RESET -> connection.reset();
        case CLOSED -> connection.close();
        case CUT -> {
          connection.send("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{\"version\":");
          connection.close();
        }
        case PAGE -> OllamaReplies.status(200, "text/html", page).answer(connection, request);
        case SILENT -> connection.hang();
      }
    }

    /** Returns whether two of it in a row show that the server is gone. */
    boolean isDeath() {
      return this == BAD_GATEWAY || this == TUNNEL_DOWN || this == RESET || this == CLOSED;
    }
  }

  @BeforeEach
  void start() {
    time = loopback.manualTime();
    home =
        loopback
            .node(OllamaReplies.answering("HOME"))
            .respondToProbesWith(
                (connection, request) -> {
                  if (request.line().startsWith("GET") && bad.getAndDecrement() > 0) {
                    how.answer(connection, request);
                  } else {
                    WELL.answer(connection, request);
                  }
                });
    client =
        loopback.client(
            ClientInternals.builder(time)
                .endpoint(
                    ollama("home", home).keepWarm(true).keepAlive(Duration.ofSeconds(20)).build())
                .endpoint(template()));
  }

  private EndpointState state() {
    return primaryState(client);
  }

  /** Time passes, and every health check has its say. */
  private void pass(Duration duration) {
    for (long slept = 0; slept < duration.toMillis(); slept += 250) {
      time.advance(Duration.ofMillis(250));
      if (how != Bad.SILENT) {
        awaitSoon(() -> !time.isProbing());
      }
    }
  }

  private void goWrong(Bad how, int times) {
    this.how = how;
    bad.set(times);
  }

  private void calls(int times) {
    for (int i = 0; i < times; i++) {
      assertThat(client.chat(REQUEST).endpoint()).isEqualTo("home");
      pass(Duration.ofMillis(500));
    }
  }

  @ParameterizedTest
  @EnumSource(Bad.class)
  void keepWarmTakesNoNodeDownThatAnswersEveryCall(Bad how) {
    calls(1);
    goWrong(how, 1);

    calls(50);

    assertThat(bad).hasValueLessThan(1);
    assertThat(state()).isEqualTo(EndpointState.UP);
  }

  @ParameterizedTest
  @EnumSource(Bad.class)
  void callsThatAreAnsweredOutweighHoweverManyChecks(Bad how) {
    calls(1);
    goWrong(how, Integer.MAX_VALUE);

    calls(100);

    assertThat(state()).isEqualTo(EndpointState.UP);
  }

  @ParameterizedTest
  @EnumSource(value = Bad.class, mode = EnumSource.Mode.EXCLUDE, names = "TUNNEL_DOWN")
  void keepWarmTakesNoIdleNodeDownForOneCheck(Bad how) {
    calls(1);
    pass(Duration.ofSeconds(8));
    goWrong(how, 1);

    pass(Duration.ofSeconds(8));

    assertThat(bad).hasValueLessThan(1);
    assertThat(state()).isEqualTo(EndpointState.UP);
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("home");
  }

  @ParameterizedTest
  @EnumSource(Bad.class)
  void twoChecksInARowTakeAnIdleNodeDown(Bad how) {
    calls(1);
    pass(Duration.ofSeconds(8));
    goWrong(how, Integer.MAX_VALUE);

    pass(Duration.ofSeconds(5));

    assertThat(state()).isEqualTo(how.isDeath() ? EndpointState.DOWN : EndpointState.UP);
  }

  @Test
  void aTunnelThatIsDownWithNothingServedIsBelievedAtOnce() {
    calls(1);
    pass(Duration.ofSeconds(8));
    goWrong(Bad.TUNNEL_DOWN, 1);

    while (state() == EndpointState.UP) {
      pass(Duration.ofMillis(250));
    }

    assertThat(bad).hasValue(0);
  }

  @ParameterizedTest
  @EnumSource(
      value = Bad.class,
      names = {"BAD_GATEWAY", "RESET", "CLOSED", "CUT", "PAGE"})
  void aSilentCallIsNotEndedForOneCheck(Bad how) throws Exception {
    calls(1);
    CompletableFuture<ChatResponse> call = silentCall();
    goWrong(how, 1);
    time.advance(Duration.ofSeconds(5));
    awaitSoon(() -> !time.isProbing());

    pass(SECOND);

    assertThat(bad).hasValueLessThan(1);
    assertThat(state()).isEqualTo(EndpointState.UP);
    assertThat(call).isNotDone();
  }

  @ParameterizedTest
  @EnumSource(
      value = Bad.class,
      names = {"BAD_GATEWAY", "RESET", "CLOSED", "TUNNEL_DOWN"})
  void aSilentCallMovesOnWhenASecondCheckSaysTheSame(Bad how) throws Exception {
    calls(1);
    CompletableFuture<ChatResponse> call = silentCall();
    goWrong(how, Integer.MAX_VALUE);
    time.advance(Duration.ofSeconds(5));
    awaitSoon(() -> !time.isProbing());

    pass(SECOND);

    assertThat(call.get().endpoint()).isEqualTo("template");
    assertThat(call.get().attempts().get(0).failure()).contains(FailureKind.UNRESPONSIVE);
    assertThat(state()).isEqualTo(EndpointState.DOWN);
  }

  private CompletableFuture<ChatResponse> silentCall() {
    home.respondWith(OllamaReplies.hanging());
    int asked = home.requests().size();
    // A long one is not sent twice.
    ChatRequest request = ChatRequest.builder().user("word ".repeat(3000)).build();
    CompletableFuture<ChatResponse> call = client.chatAsync(request);
    awaitSoon(() -> home.requests().size() > asked);
    return call;
  }

  /** Under another name in the list, or behind a proxy that asks another node. */
  @Test
  void aNodeThatSendsTokensHasItsModelWhateverACheckFinds() {
    Semaphore tokens = new Semaphore(1);
    Semaphore lists = new Semaphore(0);
    home.respondWith(
        (connection, request) -> {
          connection.send(OllamaReplies.STREAM_HEAD);
          while (true) {
            tokens.acquireUninterruptibly();
            connection.send(OllamaReplies.tokens("x"));
          }
        });
    home.respondToProbesWith(
        (connection, request) -> {
          if (request.line().contains("/api/ps")) {
            lists.acquireUninterruptibly();
          }
          OllamaReplies.probes(OllamaReplies.loadCompleted()).answer(connection, request);
        });
    try (ChatStream stream = slowClient().stream(REQUEST)) {
      Iterator<ChatEvent> events = stream.iterator();
      events.next();
      for (int i = 0; i < 2; i++) {
        time.advance(Duration.ofSeconds(4));
        tokens.release();
        events.next();
      }
      time.advance(Duration.ofSeconds(2));
      awaitSoon(() -> home.probes().size() == 2);
      CompletableFuture<ChatEvent> token = SocketReader.startReading(events::next);

      time.advance(Duration.ofMillis(100));
      tokens.release();
      token.join();
      lists.release();
      awaitSoon(() -> !time.isProbing());

      assertThat(home.loadRequests()).isZero();
    }
    tokens.release(1000);
  }

  private LlmClient slowClient() {
    client.close();
    client =
        loopback.client(
            ClientInternals.builder(time)
                .endpoint(
                    ollama("home", home)
                        .keepWarm(true)
                        .keepAlive(Duration.ofSeconds(20))
                        .timeout(Duration.ofMinutes(2))
                        .stallTimeout(Duration.ofMinutes(1))
                        .build()));
    return client;
  }

  @Test
  void callsThatAreAnsweredOutweighALoadThatIsRefused() {
    home.respondToProbesWith(
        OllamaReplies.probes(
            OllamaReplies.status(404, "application/json", "{\"error\":\"model 'x' not found\"}"),
            "home-model:latest"));

    calls(50);

    assertThat(home.loadRequests()).isPositive();
    assertThat(state()).isEqualTo(EndpointState.UP);
  }

  @ParameterizedTest
  @EnumSource(
      value = Bad.class,
      names = {"BAD_GATEWAY", "RESET", "CLOSED"})
  void warmUpTakesNoNodeDownForOneCheck(Bad how) {
    goWrong(how, 1);
    CompletableFuture<?> warm = client.warmUp();
    awaitSoon(() -> bad.get() <= 0 && !time.isProbing());
    assertThat(warm).isNotDone();

    pass(SECOND);
    warm.join();

    assertThat(state()).isEqualTo(EndpointState.UP);
    assertThat(home.loadRequests()).isOne();
  }

  @Test
  void aWarmUpThatWaitsForTheSecondCheckIsEndedByClose() {
    goWrong(Bad.BAD_GATEWAY, Integer.MAX_VALUE);
    CompletableFuture<?> warm = client.warmUp();
    awaitSoon(() -> bad.get() < Integer.MAX_VALUE && !time.isProbing());

    client.close();

    awaitSoon(warm::isDone);
  }

  @ParameterizedTest
  @EnumSource(
      value = Bad.class,
      names = {"BAD_GATEWAY", "RESET", "CLOSED"})
  void aLoadIsNotGivenUpForOneCheck(Bad how) {
    home.respondToProbesWith(
        (connection, request) -> {
          if (request.line().startsWith("POST")) {
            connection.hang();
          } else if (bad.getAndDecrement() > 0) {
            this.how.answer(connection, request);
          } else {
            OllamaReplies.probes(OllamaReplies.hanging()).answer(connection, request);
          }
        });
    client.warmUp();
    awaitSoon(() -> home.loadRequests() == 1);
    awaitSoon(() -> state() == EndpointState.WARMING);
    goWrong(how, 1);
    while (bad.get() > 0) {
      time.advance(Duration.ofMillis(250));
      awaitSoon(() -> !time.isHealthChecking());
    }
    for (int i = 0; i < 8; i++) {
      time.advance(Duration.ofMillis(250));
      awaitSoon(() -> !time.isHealthChecking());
    }

    assertThat(state()).isEqualTo(EndpointState.WARMING);
    assertThat(home.loadRequests()).isOne();
  }

  @ParameterizedTest
  @EnumSource(
      value = Bad.class,
      names = {"BAD_GATEWAY", "RESET", "CLOSED"})
  void aRecheckMakesTwoHealthChecksBeforeItSaysThatNobodyIsThere(Bad how) {
    home.respondWith(OllamaReplies.status(401, "application/json", "{\"error\":\"no key\"}"));
    client.chat(REQUEST);
    assertThat(state()).isEqualTo(EndpointState.DOWN);
    home.respondWith(OllamaReplies.answering("HOME"));
    goWrong(how, 1);
    CompletableFuture<?> checked = client.recheck("home");
    awaitSoon(() -> bad.get() <= 0 && !time.isProbing());

    pass(SECOND);
    checked.join();

    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("home");
  }
}
