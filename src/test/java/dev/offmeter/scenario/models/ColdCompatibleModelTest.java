// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.models;

import static dev.offmeter.testing.Loopback.awaitSoon;
import static dev.offmeter.testing.Loopback.ollama;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ClientInternals;
import dev.offmeter.Dialect;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.Locality;
import dev.offmeter.observe.ClientStatus;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.observe.EndpointStatus;
import dev.offmeter.testing.Connection;
import dev.offmeter.testing.LoadingNode;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.ServerReplies;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * A server with OpenAI's API that loads its model on demand, and no further when the one who asked
 * is gone: callers wait for less than a load takes.
 */
@Timeout(30)
class ColdCompatibleModelTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final ChatRequest REQUEST = ChatRequest.builder().user("a reminder").build();

  private ManualTime time;
  private LoadingNode home;
  private Node fallback;

  @BeforeEach
  void start() {
    time = loopback.manualTime();
    loadsIn(20);
    fallback = loopback.node(OllamaReplies.answering("FALLBACK"));
  }

  private void loadsIn(int seconds) {
    home =
        LoadingNode.openAiCompatible(
            loopback, time, Duration.ofSeconds(seconds), Duration.ofMillis(500));
  }

  private LlmClient client(Node node, UnaryOperator<Endpoint.Builder> settings) {
    Endpoint.Builder home =
        Endpoint.openAi("home", node.url()).model("home-model").timeout(Duration.ofSeconds(5));
    return loopback.client(
        ClientInternals.builder(time)
            .endpoint(settings.apply(home).build())
            .endpoint(ollama("fallback", fallback).build()));
  }

  private LlmClient client() {
    return client(home.node(), home -> home);
  }

  private static EndpointStatus status(LlmClient client) {
    return client.status().endpoints().get(0);
  }

  private static void becomes(LlmClient client, EndpointState state) {
    awaitSoon(() -> status(client).state() == state);
  }

  /** The node's own clock runs, and the one that tells whether the load is over at once. */
  private boolean isWatched() {
    return home.isLoading() && time.pendingTasks() == 2;
  }

  /** The first call's time limit passes without a byte, and the load that it started is lost. */
  private void firstCallFindsItCold(LlmClient client, int limit) throws Exception {
    CompletableFuture<ChatResponse> call = client.chatAsync(REQUEST);
    awaitSoon(home::isLoading);
    time.advance(Duration.ofSeconds(limit));
    assertThat(call.get().endpoint()).isEqualTo("fallback");
    awaitSoon(() -> home.oneTokenRequests() == 1 && home.loadsStarted() == 2 && isWatched());
    time.advance(Duration.ofSeconds(2));
    becomes(client, EndpointState.WARMING);
  }

  private ChatResponse answer(LlmClient client) throws Exception {
    CompletableFuture<ChatResponse> call = client.chatAsync(REQUEST);
    awaitSoon(() -> call.isDone() || home.isAnswering());
    while (!call.isDone()) {
      // A kept connection that has idled for long may be given up for a new one.
      time.advance(Duration.ofMillis(500));
      awaitSoon(() -> call.isDone() || home.isAnswering());
    }
    return call.get();
  }

  @ParameterizedTest
  @CsvSource({
    "GENERIC, 20, 5",
    "GENERIC, 40, 15",
    "GENERIC, 40, 5",
    "LOCAL_AI, 20, 5",
    "LM_STUDIO, 20, 15",
    "LLAMA_SERVER, 40, 15",
    "VLLM, 20, 5"
  })
  void itServesWithinTwoLoadTimesAndNoFurtherCallerWaits(Dialect dialect, int load, int limit)
      throws Exception {
    loadsIn(load);
    LlmClient client =
        client(home.node(), home -> home.dialect(dialect).timeout(Duration.ofSeconds(limit)));
    firstCallFindsItCold(client, limit);

    for (int second = 0; second < load - 3; second++) {
      ChatResponse meanwhile = client.chat(REQUEST);
      assertThat(meanwhile.endpoint()).isEqualTo("fallback");
      assertThat(meanwhile.elapsed()).isZero();
      time.advance(Duration.ofSeconds(1));
    }
    assertThat(status(client).cause()).contains(FailureKind.MODEL_COLD);
    time.advance(Duration.ofSeconds(1));
    awaitSoon(home::isAnswering);
    time.advance(Duration.ofSeconds(1));
    becomes(client, EndpointState.UP);

    assertThat(Duration.ofNanos(time.nanos())).isLessThan(Duration.ofSeconds(2L * load));
    assertThat(answer(client).endpoint()).isEqualTo("home");
    assertThat(home.oneTokenRequests()).isOne();
  }

  @Test
  void theTokenIsAskedForWithAPromptOfOurs() throws Exception {
    firstCallFindsItCold(client(home.node(), home -> home.apiKey("the-key")), 5);

    Connection.Request request =
        home.node().requests().stream()
            .filter(asked -> asked.body().contains("\"stream\":false"))
            .findFirst()
            .orElseThrow();
    assertThat(request.body())
        .isEqualTo(
            "{\"model\":\"home-model\",\"stream\":false,\"max_tokens\":1,"
                + "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}");
    assertThat(request.header("Authorization")).isEqualTo("Bearer the-key");
  }

  @Test
  void warmUpLoadsItBeforeAnybodyWaits() throws Exception {
    LlmClient client = client();
    CompletableFuture<ClientStatus> warm = client.warmUp();
    awaitSoon(() -> home.oneTokenRequests() == 1 && isWatched());
    time.advance(Duration.ofSeconds(2));
    becomes(client, EndpointState.WARMING);

    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("fallback");
    time.advance(Duration.ofSeconds(18));
    awaitSoon(home::isAnswering);
    time.advance(Duration.ofMillis(500));

    assertThat(warm.get().endpoints().get(0).state()).isEqualTo(EndpointState.UP);
    assertThat(answer(client).endpoint()).isEqualTo("home");
  }

  @Test
  void aCallWithNowhereElseToGoWaitsForTheLoad() throws Exception {
    LlmClient client = client();
    firstCallFindsItCold(client, 5);
    fallback.respondWith(OllamaReplies.status(500, "", ""));

    CompletableFuture<ChatResponse> call = client.chatAsync(REQUEST);
    awaitSoon(() -> fallback.requests().size() == 2);
    time.advance(Duration.ofSeconds(18));
    awaitSoon(home::isAnswering);
    time.advance(Duration.ofMillis(500));
    awaitSoon(home::isAnswering);
    time.advance(Duration.ofMillis(500));

    assertThat(call.get().endpoint()).isEqualTo("home");
    assertThat(home.oneTokenRequests()).isOne();
  }

  @Test
  void aServerThatHangsForEverIsDownInTheEnd() throws Exception {
    Node hanging = loopback.node(OllamaReplies.hanging());
    hanging.respondToProbesWith(OllamaReplies.status(200, "application/json", "{\"data\":[]}"));
    LlmClient client = client(hanging, home -> home);
    CompletableFuture<ChatResponse> call = client.chatAsync(REQUEST);
    hanging.awaitFirstRequest();
    time.advance(Duration.ofSeconds(5));
    assertThat(call.get().endpoint()).isEqualTo("fallback");
    awaitSoon(() -> hanging.requests().size() == 2 && time.pendingTasks() == 1);
    time.advance(Duration.ofSeconds(2));
    becomes(client, EndpointState.WARMING);

    for (int second = 0; second < 600; second += 5) {
      time.advance(Duration.ofSeconds(5));
      awaitSoon(() -> !time.isHealthChecking());
    }

    becomes(client, EndpointState.DOWN);
    assertThat(status(client).cause()).contains(FailureKind.WEDGED);
    assertThat(hanging.requests()).as("a call, and three tokens at most").hasSize(4);
  }

  @Test
  void aServerThatServesOthersMeanwhileIsBusyAndNotCold() throws Exception {
    Node busy =
        loopback.node(
            (connection, request) -> {
              if (request.body().contains("short")) {
                ServerReplies.openAi("HOME").answer(connection, request);
              } else {
                connection.hang();
              }
            });
    busy.respondToProbesWith(OllamaReplies.status(200, "application/json", "{\"data\":[]}"));
    LlmClient client = client(busy, home -> home);
    CompletableFuture<ChatResponse> call = client.chatAsync(REQUEST);
    busy.awaitFirstRequest();
    time.advance(Duration.ofSeconds(4));
    awaitSoon(() -> !time.isHealthChecking());
    assertThat(client.chat("short").endpoint()).isEqualTo("home");
    time.advance(Duration.ofSeconds(1));

    assertThat(call.get().endpoint()).isEqualTo("fallback");
    assertThat(status(client).state()).isEqualTo(EndpointState.UP);
    assertThat(busy.requests()).hasSize(2);
  }

  private static final Node.Script TOKEN =
      OllamaReplies.status(200, "application/json", "{\"choices\":[]}");

  @Test
  void aTokenThatComesAtOnceChangesNothingAndTheNextOnesGetRarer() throws Exception {
    Node slow =
        loopback.node(
            (connection, request) -> {
              if (request.body().contains("\"max_tokens\":1,")) {
                TOKEN.answer(connection, request);
              } else if (request.body().contains("short")) {
                ServerReplies.openAi("HOME").answer(connection, request);
              } else {
                connection.hang();
              }
            });
    slow.respondToProbesWith(OllamaReplies.status(200, "application/json", "{\"data\":[]}"));
    LlmClient client = client(slow, home -> home);

    longCall(client, slow);
    awaitSoon(() -> oneTokens(slow) == 1 && !time.isProbing());
    longCall(client, slow);
    awaitSoon(() -> oneTokens(slow) == 2 && !time.isProbing());
    longCall(client, slow);
    awaitSoon(() -> !time.isProbing());
    time.advance(Duration.ofSeconds(10));
    longCall(client, slow);
    awaitSoon(() -> oneTokens(slow) >= 3 && !time.isProbing());

    assertThat(oneTokens(slow)).isEqualTo(3);
    assertThat(status(client).state()).isEqualTo(EndpointState.UP);
  }

  /** Makes a call that is answered, and then one that gets no byte. */
  private void longCall(LlmClient client, Node node) throws Exception {
    assertThat(client.chat("short").endpoint()).isEqualTo("home");
    int before = node.requests().size();
    CompletableFuture<ChatResponse> call = client.chatAsync(REQUEST);
    awaitSoon(() -> node.requests().size() > before);
    time.advance(Duration.ofSeconds(5));
    assertThat(call.get().endpoint()).isEqualTo("fallback");
  }

  private static long oneTokens(Node node) {
    return node.requests().stream()
        .filter(request -> request.body().contains("\"max_tokens\":1,"))
        .count();
  }

  @Test
  void aManagedEndpointIsAskedForNoToken() throws Exception {
    LlmClient client = client(home.node(), home -> home.locality(Locality.MANAGED));
    CompletableFuture<ChatResponse> call = client.chatAsync(REQUEST);
    awaitSoon(home::isLoading);
    time.advance(Duration.ofSeconds(5));

    assertThat(call.get().endpoint()).isEqualTo("fallback");
    client.warmUp().join();
    assertThat(home.oneTokenRequests()).isZero();
  }

  @Test
  void theTokenCountsAgainstTheRate() {
    Node node = loopback.node(TOKEN);
    node.respondToProbesWith(OllamaReplies.status(200, "application/json", "{\"data\":[]}"));
    LlmClient client = client(node, home -> home.requestsPerMinute(1));

    client.warmUp().join();
    client.warmUp().join();

    assertThat(node.requests()).hasSize(1);
    assertThat(client.chat(REQUEST).attempts().get(0).failure())
        .contains(FailureKind.CLIENT_RATE_LIMITED);
    assertThat(status(client).state()).isEqualTo(EndpointState.UP);
  }

  @ParameterizedTest
  @EnumSource(names = {"BAD_REQUEST", "SERVER_ERROR", "MODEL_NOT_FOUND"})
  void aLoadThatIsRefusedOrFailsDoesNotCountAsLoaded(FailureKind kind) throws Exception {
    String body =
        kind == FailureKind.MODEL_NOT_FOUND
            ? "{\"error\":{\"message\":\"model 'home-model' not found\"}}"
            : "{\"error\":{\"message\":\"out of memory\"}}";
    int code =
        switch (kind) {
          case BAD_REQUEST -> 400;
          case MODEL_NOT_FOUND -> 404;
          default -> 500;
        };
    Node node = loopback.node(OllamaReplies.status(code, "application/json", body));
    node.respondToProbesWith(OllamaReplies.status(200, "application/json", "{\"data\":[]}"));
    LlmClient client = client(node, home -> home);

    client.warmUp().join();

    assertThat(status(client).state()).isEqualTo(EndpointState.UP);
    assertThat(node.requests()).hasSize(1);
  }

  @Test
  void ollamaBehindItsCompatibleApiIsLoadedForNothing() throws Exception {
    Node ollama = loopback.node(ServerReplies.openAi("HOME"));
    ollama.respondToProbesWith(
        (connection, request) ->
            (request.line().contains("/v1/models")
                    ? OllamaReplies.status(200, "application/json", "{\"data\":[]}")
                    : OllamaReplies.probes(OllamaReplies.loadCompleted()))
                .answer(connection, request));
    LlmClient client = client(ollama, home -> home.dialect(Dialect.OLLAMA));

    client.warmUp().join();

    assertThat(ollama.requests()).isEmpty();
    assertThat(ollama.probes())
        .extracting(Connection.Request::line)
        .as("but for what asks, at any time, whether it is an Ollama")
        .filteredOn(line -> !line.equals("GET /api/version HTTP/1.1"))
        .containsExactly(
            "GET /v1/models HTTP/1.1", "GET /api/ps HTTP/1.1", "POST /api/generate HTTP/1.1");
  }

  @Test
  void ollamaBehindAProxyThatKnowsOnlyTheCompatibleApiIsLoadedForAToken() throws Exception {
    Node ollama = loopback.node(OllamaReplies.status(200, "application/json", "{\"choices\":[]}"));
    ollama.respondToProbesWith(
        (connection, request) ->
            (request.line().contains("/v1/models")
                    ? OllamaReplies.status(200, "application/json", "{\"data\":[]}")
                    : OllamaReplies.status(404, "text/html", "<html>nginx</html>"))
                .answer(connection, request));
    LlmClient client = client(ollama, home -> home.dialect(Dialect.OLLAMA));

    client.warmUp().join();
    client.warmUp().join();

    assertThat(oneTokens(ollama)).isEqualTo(2);
    assertThat(ollama.probes())
        .filteredOn(request -> request.line().contains("/api/generate"))
        .hasSize(1);
  }

  @Test
  void afterAnOutageAServerThatLoadsOnDemandIsLoadedBeforeACallGoesThere() throws Exception {
    LlmClient client = client();
    firstCallFindsItCold(client, 5);
    time.advance(Duration.ofSeconds(18));
    awaitSoon(home::isAnswering);
    time.advance(Duration.ofMillis(500));
    becomes(client, EndpointState.UP);
    time.advance(Duration.ofMinutes(6));
    home.setOff(true);
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("fallback");
    becomes(client, EndpointState.DOWN);
    home.setOff(false);

    time.advance(Duration.ofMillis(1300));
    awaitSoon(() -> home.oneTokenRequests() == 2 && home.loadsStarted() == 3 && isWatched());
    time.advance(Duration.ofSeconds(2));
    becomes(client, EndpointState.WARMING);
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("fallback");
    time.advance(Duration.ofSeconds(18));
    awaitSoon(home::isAnswering);
    time.advance(Duration.ofMillis(500));

    awaitSoon(() -> status(client).state() != EndpointState.WARMING);
    assertThat(answer(client).endpoint()).isEqualTo("home");
  }

  @Test
  void afterAnOutageAServerThatWasNeverSeenToLoadIsAskedForNoToken() {
    home.preloadModel();
    home.setOff(true);
    LlmClient client = client();
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("fallback");
    home.setOff(false);

    time.advance(Duration.ofMillis(1300));
    becomes(client, EndpointState.TRIAL);

    assertThat(home.oneTokenRequests()).isZero();
  }
}
