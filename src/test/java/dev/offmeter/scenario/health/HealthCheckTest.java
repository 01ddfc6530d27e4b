// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.health;

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
import dev.offmeter.observe.EndpointState;
import dev.offmeter.observe.EndpointStatus;
import dev.offmeter.testing.Connection;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import java.net.InetAddress;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;
import okhttp3.OkHttpClient;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What is asked on the side while an endpoint is down, of whom, and what follows from the reply.
 */
@Timeout(20)
class HealthCheckTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final ChatRequest REQUEST = ChatRequest.builder().user("a reminder").build();
  private static final Node.Script TUNNEL_DOWN =
      OllamaReplies.status(530, "text/plain", "error code: 1033");
  private static final Node.Script WELL = OllamaReplies.status(200, "application/json", "{}");

  private ManualTime time;
  private Node node;
  private Node fallback;

  @BeforeEach
  void start() {
    time = loopback.manualTime();
    node = loopback.node(TUNNEL_DOWN);
    fallback = loopback.node(OllamaReplies.answering("FALLBACK"));
  }

  private LlmClient newClientOf(Endpoint.Builder endpoint) {
    return loopback.client(
        ClientInternals.builder(time)
            .endpoint(endpoint.model("m").build())
            .endpoint(ollama("fallback", fallback).build()));
  }

  /** A client that has just learnt that its first endpoint is down. */
  private LlmClient clientOf(Endpoint.Builder endpoint) {
    LlmClient client = newClientOf(endpoint);
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("fallback");
    return client;
  }

  private Endpoint.Builder endpoint() {
    return Endpoint.ollama("node", node.url());
  }

  private static EndpointState state(LlmClient client) {
    return client.status().endpoints().get(0).state();
  }

  /** The next look, and whatever it leads to. */
  private void look() {
    int before = node.probes().size();
    // After half a minute the looks are up to 1.8 s apart.
    time.advance(Duration.ofMillis(1850));
    awaitSoon(() -> node.probes().size() > before && !time.isProbing());
  }

  private static Node.Script ollamaWith(String models) {
    return (connection, request) ->
        OllamaReplies.status(
                200,
                "application/json",
                request.line().contains("/api/ps")
                    ? "{\"models\":[" + models + "]}"
                    : "{\"version\":\"0.32.15\",\"done\":true}")
            .answer(connection, request);
  }

  @ParameterizedTest
  @CsvSource({
    "VLLM, '', /health",
    "VLLM, /v1, /health",
    "LLAMA_SERVER, /llm/v1, /llm/health",
    "TGI, '', /health",
    "LOCAL_AI, '', /readyz",
    "LM_STUDIO, '', /v1/models",
    "OLLAMA, '', /v1/models",
    "GENERIC, /v1beta/openai, /v1beta/openai/models"
  })
  void everyServerIsAskedInItsOwnWay(Dialect dialect, String path, String asked) {
    node.respondToProbesWith(WELL);
    clientOf(Endpoint.openAi("node", node.url() + path).dialect(dialect));

    look();

    assertThat(node.probes().get(0).line()).isEqualTo("GET " + asked + " HTTP/1.1");
  }

  /** A host often has two addresses, of which OkHttp tries the other by itself. */
  @Test
  void aNodeThatIsKilledWhileItIsAskedIsSaidToRefuseANewConnection() throws Exception {
    Node node = loopback.node(OllamaReplies.answering("NODE"));
    node.respondToProbesWith((connection, request) -> node.close());
    List<InetAddress> addresses =
        List.of(InetAddress.getByName("127.0.0.1"), InetAddress.getByName("127.0.0.2"));
    OkHttpClient http = new OkHttpClient.Builder().dns(host -> addresses).build();
    String url = node.url().replace("127.0.0.1", "localhost");
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(Endpoint.ollama("node", url).model("m").build())
                .httpClient(http));

    EndpointStatus found = client.warmUp().get().endpoints().get(0);

    assertThat(found.cause()).contains(FailureKind.CONNECTION_LOST);
    assertThat(found.message()).contains("closed before an answer, and a new connection refused");
  }

  @Test
  void ollamaIsAskedForItsVersionAndForWhatItHasInMemory() {
    node.respondToProbesWith(ollamaWith("{\"name\":\"m:latest\"}"));
    LlmClient client = clientOf(Endpoint.ollama("node", node.url() + "/llm"));

    look();
    awaitSoon(() -> state(client) == EndpointState.TRIAL);

    assertThat(node.probes())
        .extracting(Connection.Request::line)
        .containsExactly(
            "GET /llm/api/version HTTP/1.1",
            "GET /llm/api/ps HTTP/1.1",
            "POST /llm/api/generate HTTP/1.1");
  }

  @Test
  void aListOfModelsMayBeLongerThanWhatIsReadOfIt() {
    String model = "{\"id\":\"some-organisation/some-model\",\"object\":\"model\"},";
    node.respondToProbesWith(
        OllamaReplies.status(
            200,
            "application/json",
            "{\"object\":\"list\",\"data\":[" + model.repeat(2000) + "{}]}"));
    LlmClient client = clientOf(Endpoint.openAi("node", node.url()).dialect(Dialect.LM_STUDIO));

    look();

    awaitSoon(() -> state(client) == EndpointState.TRIAL);
  }

  @Test
  void credentialsAreThoseOfACall() {
    node.respondToProbesWith(ollamaWith(""));
    clientOf(
        endpoint()
            .apiKey("a-key")
            .cloudflareAccess(() -> "an-id", () -> "a-secret")
            .header("X-Own", "mine"));

    look();

    Connection.Request check = node.probes().get(0);
    assertThat(check.header("Authorization")).isEqualTo("Bearer a-key");
    assertThat(check.header("CF-Access-Client-Id")).isEqualTo("an-id");
    assertThat(check.header("CF-Access-Client-Secret")).isEqualTo("a-secret");
    assertThat(check.header("X-Own")).isEqualTo("mine");
  }

  @Test
  void credentialsDoNotFollowARedirect() {
    Node elsewhere = loopback.node(WELL).respondToProbesWith(WELL);
    node.respondToProbesWith(
        OllamaReplies.status(302, "", "", "Location: " + elsewhere.url() + "/api/version"));
    LlmClient client = clientOf(endpoint().apiKey("a-key"));

    look();

    assertThat(elsewhere.probes()).isEmpty();
    assertThat(elsewhere.requests()).isEmpty();
    assertThat(state(client)).isEqualTo(EndpointState.DOWN);
  }

  /** A router may forget a connection that is kept, and then drops without a word what it sends. */
  @Test
  void aCheckNeverWaitsOnAConnectionThatACallHasLeft() {
    Set<Connection> forgotten = ConcurrentHashMap.newKeySet();
    Set<Connection> checked = ConcurrentHashMap.newKeySet();
    node.respondWith(
        (connection, request) -> {
          OllamaReplies.answering("NODE").answer(connection, request);
          forgotten.add(connection);
        });
    node.respondToProbesWith(
        (connection, request) -> {
          checked.add(connection);
          if (forgotten.contains(connection)) {
            connection.hang();
          }
          ollamaWith("{\"name\":\"m:latest\"}").answer(connection, request);
        });
    LlmClient client =
        loopback.client(ClientInternals.builder(time).endpoint(endpoint().model("m").build()));
    client.chat(REQUEST);
    awaitSoon(() -> !forgotten.isEmpty());

    assertThat(client.warmUp()).succeedsWithin(Duration.ofSeconds(5));

    assertThat(node.probes()).as("alive, resident, load").hasSize(3);
    assertThat(checked).hasSize(3).doesNotContainAnyElementsOf(forgotten);
    awaitSoon(() -> node.openConnections() == 1);
  }

  @Test
  void aManagedEndpointIsNeverProbed() {
    node.respondToProbesWith(WELL);
    LlmClient client = clientOf(Endpoint.openAi("node", node.url()).locality(Locality.MANAGED));

    time.advance(Duration.ofMinutes(5));
    client.warmUp().join();

    assertThat(node.probes()).isEmpty();
    node.respondWith(OllamaReplies.answering("not SSE, but asked"));
    client.chat(REQUEST);
    assertThat(node.requests()).as("its pause alone brings it back").hasSize(2);
  }

  @Test
  void aServerWithoutSuchAPathIsAskedAgainAndComesBackAfterItsBackOff() {
    LlmClient client = clientOf(endpoint());
    look();
    node.respondWith(OllamaReplies.answering("BACK"));

    pass(Duration.ofSeconds(9));
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("fallback");
    pass(Duration.ofSeconds(8));

    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("node");
    assertThat(node.probes()).hasSizeGreaterThan(5);
  }

  @ParameterizedTest
  @ValueSource(ints = {401, 403, 407, 302})
  void aCheckThatIsRefusedKeepsNothingShut(int status) {
    node.respondToProbesWith(OllamaReplies.status(status, "text/html", "<html>a login</html>"));
    LlmClient client = clientOf(endpoint());
    node.respondWith(OllamaReplies.answering("BACK"));

    pass(Duration.ofSeconds(18));

    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("node");
  }

  @ParameterizedTest
  @ValueSource(ints = {401, 407})
  void aSlowCallGoesOnWhereChecksAreRefused(int status) throws Exception {
    node.respondWith(OllamaReplies.hanging());
    node.respondToProbesWith(OllamaReplies.status(status, "text/html", "<html>a login</html>"));
    LlmClient client = newClientOf(endpoint());
    CompletableFuture<ChatResponse> call = client.chatAsync(REQUEST);
    node.awaitFirstRequest();

    time.advance(Duration.ofSeconds(5));
    awaitSoon(() -> node.probes().size() == 1 && !time.isProbing());

    assertThat(state(client)).isEqualTo(EndpointState.UP);
    assertThat(call).isNotDone();
  }

  /** What may come once, instead of the server's own reply. */
  private static Stream<Named<Node.Script>> oddReplies() {
    return Stream.of(
        Named.of("too many requests", OllamaReplies.status(429, "text/plain", "slow down")),
        Named.of(
            "cut short",
            (connection, request) -> {
              connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"object\":");
              connection.close();
            }));
  }

  @ParameterizedTest
  @MethodSource("oddReplies")
  void oneOddReplyDoesNotEndTheHealthChecks(Node.Script odd) {
    node.respondToProbesWith(odd);
    LlmClient client = clientOf(Endpoint.openAi("node", node.url()).dialect(Dialect.LM_STUDIO));
    look();
    assertThat(state(client)).isEqualTo(EndpointState.DOWN);
    node.respondToProbesWith(
        OllamaReplies.status(200, "application/json", "{\"object\":\"list\",\"data\":[]}"));

    look();

    awaitSoon(() -> state(client) == EndpointState.TRIAL);
  }

  @Test
  void whatIsStillDeadIsNotAskedByACallWhenItsBackOffIsOver() {
    node.respondToProbesWith(TUNNEL_DOWN);
    LlmClient client = clientOf(endpoint());

    for (int second = 0; second < 120; second++) {
      pass(Duration.ofSeconds(1));
      assertThat(client.chat(REQUEST).endpoint()).isEqualTo("fallback");
    }

    assertThat(node.requests()).as("paid once").hasSize(1);
    assertThat(node.probes()).hasSizeBetween(30, 90);
    assertThat(client.chat(REQUEST).attempts().get(0).message())
        .contains("TUNNEL_DOWN")
        .contains("asked again when a health check finds it well");
  }

  /** A call every ten seconds; how many of them were let through. */
  private int callsThatReach(LlmClient client, Duration during) {
    int before = node.requests().size();
    for (int second = 0; second < during.toSeconds(); second++) {
      pass(Duration.ofSeconds(1));
      if (second % 10 == 9) {
        client.chat(REQUEST);
      }
    }
    return node.requests().size() - before;
  }

  /** Time in which every look has its reply. */
  private void pass(Duration duration) {
    for (int second = 0; second < duration.toSeconds(); second++) {
      time.advance(Duration.ofSeconds(1));
      awaitSoon(() -> !time.isProbing());
    }
  }

  @Test
  void aHealthPathThatIsAlwaysIllKeepsAServerShutForTenMinutesOnly() {
    node.respondWith(OllamaReplies.status(500, "", ""));
    node.respondToProbesWith(OllamaReplies.status(503, "text/plain", "no"));
    LlmClient client = clientOf(endpoint());
    client.chat(REQUEST);
    node.respondWith(OllamaReplies.answering("BACK"));

    assertThat(callsThatReach(client, Duration.ofMinutes(9))).isZero();
    assertThat(callsThatReach(client, Duration.ofMinutes(3))).isGreaterThan(3);
    assertThat(state(client)).isEqualTo(EndpointState.UP);
  }

  @Test
  void whereTheLoadIsForbiddenACallHasTheModelLoaded() {
    Node.Script cold = ollamaWith("");
    node.respondToProbesWith(
        (connection, request) -> {
          if (request.line().startsWith("POST")) {
            OllamaReplies.status(403, "text/plain", "forbidden").answer(connection, request);
          } else {
            cold.answer(connection, request);
          }
        });
    LlmClient client = clientOf(endpoint());
    node.respondWith(OllamaReplies.answering("BACK"));

    assertThat(callsThatReach(client, Duration.ofMinutes(1))).isGreaterThan(3);
  }

  @Test
  void aServerThatIsLoadingIsSkippedUntilItIsReady() {
    node.respondToProbesWith(
        OllamaReplies.status(
            503, "application/json", "{\"error\":{\"message\":\"Loading model\"}}"));
    node.respondWith(
        OllamaReplies.status(
            503, "application/json", "{\"error\":{\"message\":\"Loading model\"}}"));
    LlmClient client = clientOf(Endpoint.openAi("node", node.url()).dialect(Dialect.LLAMA_SERVER));
    for (int second = 0; second < 30; second++) {
      pass(Duration.ofSeconds(1));
      client.chat(REQUEST);
    }
    assertThat(node.requests()).hasSize(1);

    node.respondToProbesWith(WELL);
    look();

    awaitSoon(() -> state(client) == EndpointState.TRIAL);
  }

  @Test
  void aRetryAfterIsKeptWithoutAHealthCheck() {
    node.respondToProbesWith(WELL);
    node.respondWith(OllamaReplies.status(429, "text/plain", "slow down", "Retry-After: 60"));
    LlmClient client = clientOf(endpoint());

    time.advance(Duration.ofSeconds(59));

    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("fallback");
    assertThat(node.probes()).isEmpty();
  }

  @Test
  void aHealthCheckFromBeforeAnOutageIsNoEvidenceOfItsEnd() {
    CompletableFuture<Void> held = new CompletableFuture<>();
    Node.Script well = ollamaWith("{\"name\":\"m:latest\"}");
    node.respondToProbesWith(
        (connection, request) -> {
          held.join();
          well.answer(connection, request);
        });
    LlmClient client = newClientOf(endpoint());
    CompletableFuture<?> warm = client.warmUp();
    awaitSoon(() -> node.probes().size() == 1);
    time.advance(Duration.ofMillis(100));
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("fallback");
    time.advance(Duration.ofMillis(1250));

    held.complete(null);
    warm.join();
    awaitSoon(() -> !time.isProbing());

    assertThat(state(client)).isEqualTo(EndpointState.DOWN);
  }

  @Test
  void anExpiredTokenThatIsRenewedIsNoticed() {
    Node.Script login =
        OllamaReplies.status(
            302, "", "", "Location: https://x.cloudflareaccess.com/cdn-cgi/access/login");
    node.respondWith(login);
    node.respondToProbesWith(login);
    LlmClient client = clientOf(endpoint());
    look();
    assertThat(state(client)).isEqualTo(EndpointState.DOWN);

    node.respondToProbesWith(ollamaWith("{\"name\":\"m:latest\"}"));
    look();

    awaitSoon(() -> state(client) == EndpointState.TRIAL);
  }

  @Test
  void noCheckIsSentAfterClose() {
    node.respondToProbesWith(TUNNEL_DOWN);
    LlmClient client = clientOf(endpoint());
    look();
    int asked = node.probes().size();

    client.close();
    time.advance(Duration.ofMinutes(30));

    assertThat(node.probes()).hasSize(asked);
  }

  @Test
  void nothingIsAskedWhileAllIsWell() {
    node.respondWith(OllamaReplies.answering("PRIMARY"));
    LlmClient client =
        loopback.client(ClientInternals.builder(time).endpoint(endpoint().model("m").build()));
    assertThat(client.chat(REQUEST).text()).isEqualTo("PRIMARY");

    time.advance(Duration.ofHours(1));

    assertThat(node.probes()).isEmpty();
  }
}
