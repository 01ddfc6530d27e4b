// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.models;

import static dev.offmeter.testing.Loopback.awaitSoon;
import static dev.offmeter.testing.Loopback.ollama;
import static dev.offmeter.testing.TwoNodes.primaryState;
import static dev.offmeter.testing.TwoNodes.template;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.ChatRequest;
import dev.offmeter.ClientInternals;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.Locality;
import dev.offmeter.observe.EndpointChange;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.testing.ChangeRecorder;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.ServerReplies;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A load of the model whose reply never comes, or is somebody else's. */
@Timeout(30)
class LostLoadTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final ChatRequest REQUEST = ChatRequest.builder().user("a reminder").build();

  /** The number of loads that get no reply from now on. */
  private final AtomicInteger lost = new AtomicInteger();

  private final AtomicInteger loads = new AtomicInteger();
  private final Set<Object> loading = ConcurrentHashMap.newKeySet();
  private volatile boolean resident;
  private volatile Node.Script load = OllamaReplies.loadCompleted();
  private final List<EndpointChange> changes = new CopyOnWriteArrayList<>();
  private ManualTime time;
  private Node home;

  @BeforeEach
  void start() {
    time = loopback.manualTime();
    home =
        loopback
            .node(OllamaReplies.answering("HOME"))
            .respondToProbesWith(
                (connection, request) -> {
                  if (!request.line().startsWith("POST")) {
                    String[] listed = resident ? new String[] {"home-model:latest"} : new String[0];
                    OllamaReplies.probes(OllamaReplies.loadCompleted(), listed)
                        .answer(connection, request);
                    return;
                  }
                  boolean replies = lost.getAndDecrement() <= 0;
                  loads.incrementAndGet();
                  if (replies) {
                    load.answer(connection, request);
                  } else {
                    loading.add(connection);
                    connection.hang();
                    loading.remove(connection);
                  }
                });
  }

  private LlmClient client(Endpoint.Builder endpoint) {
    return loopback.client(
        ClientInternals.builder(time)
            .endpoint(endpoint.build())
            .endpoint(template())
            .listener(ChangeRecorder.recordInto(changes)));
  }

  private static EndpointState state(LlmClient client) {
    return primaryState(client);
  }

  /** Seconds until it is neither warming nor down, if that is within ten minutes. */
  private long secondsUntilBack(LlmClient client) {
    AtomicLong seconds = new AtomicLong();
    while (seconds.get() < 600 && isAway(client)) {
      pass(1);
      seconds.incrementAndGet();
    }
    return seconds.get();
  }

  private static boolean isAway(LlmClient client) {
    return state(client) == EndpointState.WARMING || state(client) == EndpointState.DOWN;
  }

  private void pass(int seconds) {
    for (int second = 0; second < seconds; second++) {
      time.advance(Duration.ofSeconds(1));
      awaitSoon(() -> !time.isHealthChecking());
    }
  }

  private LlmClient warming(int repliesLost) {
    lost.set(repliesLost);
    LlmClient client = client(ollama("home", home));
    client.warmUp();
    awaitSoon(() -> loads.get() == 1);
    awaitSoon(() -> state(client) == EndpointState.WARMING);
    return client;
  }

  @ParameterizedTest
  @CsvSource({"1, 30", "2, 80"})
  void aModelThatIsThereIsAskedForOnceMore(int repliesLost, int atMost) {
    LlmClient client = warming(repliesLost);
    resident = true;

    assertThat(secondsUntilBack(client)).isLessThanOrEqualTo(atMost);

    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("home");
    assertThat(loads).hasValue(repliesLost + 1);
    awaitSoon(loading::isEmpty);
  }

  /**
   * The load request may never have arrived: until 0.33, Ollama lists a model that is being loaded
   * too.
   */
  @Test
  void aModelThatIsNeverListedIsAskedForOnceMoreLater() {
    LlmClient client = warming(1);

    assertThat(secondsUntilBack(client)).isBetween(55L, 75L);
  }

  /** The first request may be the one for which the server loads the model. */
  @Test
  void theFirstRequestIsNeverGivenUpForAnother() {
    LlmClient client = warming(Integer.MAX_VALUE);
    resident = true;

    pass(300);

    assertThat(loads).hasValueBetween(3, 5);
    assertThat(loading).hasSize(loads.get());
    assertThat(state(client)).isEqualTo(EndpointState.WARMING);
  }

  @ParameterizedTest
  @ValueSource(ints = {502, 503, 500})
  void whatAFurtherRequestIsToldOutweighsNothing(int status) {
    LlmClient client = warming(1);
    load = OllamaReplies.status(status, "application/json", "{\"error\":\"server busy\"}");
    resident = true;
    pass(30);
    assertThat(loads).hasValue(2);
    assertThat(state(client)).isEqualTo(EndpointState.WARMING);
    load = OllamaReplies.loadCompleted();

    assertThat(secondsUntilBack(client)).isLessThanOrEqualTo(45);
  }

  /**
   * The load's real length is unknown, and surely shorter than the time until its end was noticed.
   */
  @Test
  void theTimeUntilALossIsFoundIsNotTakenForThatOfALoad() {
    LlmClient client = warming(1);
    resident = true;
    secondsUntilBack(client);
    resident = false;
    pass(400);

    assertThat(client.chat(REQUEST).endpoint())
        .as("nobody knows that a load takes too long for it")
        .isEqualTo("home");
  }

  @Test
  void aCallThatIsServedEndsALoadWhoseReplyIsLost() {
    Semaphore answer = new Semaphore(0);
    home.respondWith(
        (connection, request) -> {
          answer.acquireUninterruptibly();
          OllamaReplies.answering("HOME").answer(connection, request);
        });
    LlmClient client = client(ollama("home", home).timeout(Duration.ofMinutes(5)));
    var call = client.chatAsync(REQUEST);
    awaitSoon(() -> home.requests().size() == 1);
    lost.set(1);
    var warm = client.warmUp();
    awaitSoon(() -> loads.get() == 1 && state(client) == EndpointState.WARMING);

    answer.release();

    assertThat(call.join().endpoint()).isEqualTo("home");
    awaitSoon(() -> warm.isDone() && loading.isEmpty());
    assertThat(state(client)).isEqualTo(EndpointState.UP);
  }

  @ParameterizedTest
  @ValueSource(strings = {"502", "cut", "page", "reset", "close"})
  void aReplyThatIsSpoiledOnItsWayIsAskedForOnceMore(String how) {
    AtomicInteger spoiled = new AtomicInteger();
    load =
        (connection, request) -> {
          if (spoiled.getAndIncrement() > 0) {
            OllamaReplies.loadCompleted().answer(connection, request);
            return;
          }
          switch (how) {
            case "502" ->
                OllamaReplies.status(502, "text/html", "<html>Bad gateway</html>")
                    .answer(connection, request);
            case "cut" -> {
              connection.send("HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{\"done\":");
              connection.close();
            }
            case "page" ->
                OllamaReplies.status(200, "text/html", "<html>Log in</html>")
                    .answer(connection, request);
            case "reset" -> connection.reset();
            default -> connection.close();
          }
        };
    LlmClient client = client(ollama("home", home));
    client.warmUp();
    awaitSoon(() -> loads.get() == 1 && !time.isProbing());
    assertThat(state(client)).isEqualTo(EndpointState.WARMING);

    pass(2);

    // No further second passes, however late a thread gets to what was due within the two.
    awaitSoon(() -> !isAway(client));
    assertThat(loads).hasValue(2);
  }

  @Test
  void aLoadThatIsSpoiledTwiceTakesItDown() {
    load = OllamaReplies.status(502, "text/html", "<html>Bad gateway</html>");
    LlmClient client = client(ollama("home", home));
    client.warmUp();
    awaitSoon(() -> loads.get() == 1 && !time.isProbing());

    pass(120);

    assertThat(changes)
        .anySatisfy(change -> assertThat(change.to()).isEqualTo(EndpointState.DOWN))
        .anySatisfy(change -> assertThat(change.cause()).isEqualTo(FailureKind.ORIGIN_UNREACHABLE));
    assertThat(loads).as("two each time, with pauses that grow").hasValueBetween(4, 10);
  }

  @Test
  void aWarmUpThatWaitsToAskOnceMoreIsEndedByClose() {
    load = OllamaReplies.status(502, "text/html", "<html>Bad gateway</html>");
    LlmClient client = client(ollama("home", home));
    var warm = client.warmUp();
    awaitSoon(() -> loads.get() == 1 && !time.isProbing());

    client.close();

    awaitSoon(warm::isDone);
  }

  /** The model is listed, and no call has said otherwise. */
  @Test
  void keepWarmAsksTwiceBeforeItTakesTheModelForGone() {
    resident = true;
    LlmClient client =
        client(ollama("home", home).keepWarm(true).keepAlive(Duration.ofSeconds(20)));
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("home");
    lost.set(1);

    pass(11);
    awaitSoon(() -> loads.get() == 1);
    for (int second = 0; second < 8; second++) {
      pass(1);
      assertThat(state(client)).isEqualTo(EndpointState.UP);
    }

    awaitSoon(() -> loads.get() == 2 && loading.isEmpty());
  }

  @Test
  void aTokenWhoseReplyIsLostIsAskedForOnceMore() {
    AtomicInteger tokens = new AtomicInteger();
    Node.Script token =
        OllamaReplies.status(
            200,
            "application/json",
            "{\"choices\":[{\"message\":{\"content\":\"H\"},\"finish_reason\":\"length\"}]}");
    Node node =
        loopback
            .node(
                (connection, request) -> {
                  if (!request.body().contains("\"max_tokens\":1,")) {
                    ServerReplies.openAi("HOME").answer(connection, request);
                  } else if (tokens.incrementAndGet() == 1) {
                    connection.hang();
                  } else {
                    token.answer(connection, request);
                  }
                })
            .respondToProbesWith(
                OllamaReplies.status(200, "application/json", "{\"data\":[{\"id\":\"m\"}]}"));
    LlmClient client =
        client(Endpoint.openAi("home", node.url()).model("m").locality(Locality.SELF_HOSTED));
    client.warmUp();
    awaitSoon(() -> tokens.get() == 1 && time.pendingTasks() == 1);
    time.advance(Duration.ofSeconds(2));
    awaitSoon(() -> state(client) == EndpointState.WARMING);

    assertThat(secondsUntilBack(client)).isLessThanOrEqualTo(75);

    assertThat(tokens).hasValue(2);
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("home");
  }
}
