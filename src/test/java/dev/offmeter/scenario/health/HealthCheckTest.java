// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.health;

import static dev.offmeter.testing.Loopback.awaitSoon;
import static dev.offmeter.testing.TwoNodes.primaryState;
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
import dev.offmeter.testing.TwoNodes;
import java.net.InetAddress;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;
import okhttp3.OkHttpClient;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Health checks of an endpoint that is DOWN: which endpoints get them, what they ask, and what
 * follows from the reply.
 */
@Timeout(20)
class HealthCheckTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final ChatRequest REQUEST = ChatRequest.builder().user("a reminder").build();
  private static final Node.Script TUNNEL_DOWN =
      OllamaReplies.status(530, "text/plain", "error code: 1033");
  private static final Node.Script WELL = OllamaReplies.status(200, "application/json", "{}");

  private final TwoNodes nodes = TwoNodes.inManualTime(loopback);
  private final ManualTime time = nodes.time();
  private final Node primary = nodes.primary().respondWith(TUNNEL_DOWN);
  private final Node fallback = nodes.fallback();

  private LlmClient newClientOf(Endpoint.Builder endpoint) {
    return nodes.client(endpoint.model("m"));
  }

  /** A client that has just learnt that its first endpoint is down. */
  private LlmClient clientOf(Endpoint.Builder endpoint) {
    LlmClient client = newClientOf(endpoint);
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("fallback");
    return client;
  }

  private Endpoint.Builder endpoint() {
    return Endpoint.ollama("primary", primary.url());
  }

  /** Waits for the next health check and its consequences. */
  private void awaitHealthCheck() {
    int before = primary.probes().size();
    // After half a minute the health checks are up to 1.8 s apart.
    time.advance(Duration.ofMillis(1850));
    awaitSoon(() -> primary.probes().size() > before && !time.isProbing());
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
    primary.respondToProbesWith(WELL);
    clientOf(Endpoint.openAi("primary", primary.url() + path).dialect(dialect));

    awaitHealthCheck();

    assertThat(primary.probes().get(0).line()).isEqualTo("GET " + asked + " HTTP/1.1");
  }

  /** A host often has two addresses, of which OkHttp tries the other by itself. */
  @Test
  void aNodeThatIsKilledWhileItIsAskedIsSaidToRefuseANewConnection() throws Exception {
    Node primary = loopback.node(OllamaReplies.answering("NODE"));
    primary.respondToProbesWith((connection, request) -> primary.close());
    List<InetAddress> addresses =
        List.of(InetAddress.getByName("127.0.0.1"), InetAddress.getByName("127.0.0.2"));
    OkHttpClient http = new OkHttpClient.Builder().dns(host -> addresses).build();
    String url = primary.url().replace("127.0.0.1", "localhost");
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(Endpoint.ollama("primary", url).model("m").build())
                .httpClient(http));

    EndpointStatus found = client.warmUp().get().endpoints().get(0);

    assertThat(found.cause()).contains(FailureKind.CONNECTION_LOST);
    assertThat(found.message()).contains("closed before an answer, and a new connection refused");
  }

  @Test
  void ollamaIsAskedForItsVersionAndForWhatItHasInMemory() {
    primary.respondToProbesWith(ollamaWith("{\"name\":\"m:latest\"}"));
    LlmClient client = clientOf(Endpoint.ollama("primary", primary.url() + "/llm"));

    awaitHealthCheck();
    awaitSoon(() -> primaryState(client) == EndpointState.TRIAL);

    assertThat(primary.probes())
        .extracting(Connection.Request::line)
        .containsExactly(
            "GET /llm/api/version HTTP/1.1",
            "GET /llm/api/ps HTTP/1.1",
            "POST /llm/api/generate HTTP/1.1");
  }

  @Test
  void aListOfModelsMayBeLongerThanWhatIsReadOfIt() {
    String model = "{\"id\":\"some-organisation/some-model\",\"object\":\"model\"},";
    primary.respondToProbesWith(
        OllamaReplies.status(
            200,
            "application/json",
            "{\"object\":\"list\",\"data\":[" + model.repeat(2000) + "{}]}"));
    LlmClient client =
        clientOf(Endpoint.openAi("primary", primary.url()).dialect(Dialect.LM_STUDIO));

    awaitHealthCheck();

    awaitSoon(() -> primaryState(client) == EndpointState.TRIAL);
  }

  @Test
  void credentialsAreThoseOfACall() {
    primary.respondToProbesWith(ollamaWith(""));
    clientOf(
        endpoint()
            .apiKey("a-key")
            .cloudflareAccess(() -> "an-id", () -> "a-secret")
            .header("X-Own", "mine"));

    awaitHealthCheck();

    Connection.Request check = primary.probes().get(0);
    assertThat(check.header("Authorization")).isEqualTo("Bearer a-key");
    assertThat(check.header("CF-Access-Client-Id")).isEqualTo("an-id");
    assertThat(check.header("CF-Access-Client-Secret")).isEqualTo("a-secret");
    assertThat(check.header("X-Own")).isEqualTo("mine");
  }

  @Test
  void credentialsDoNotFollowARedirect() {
    Node elsewhere = loopback.node(WELL).respondToProbesWith(WELL);
    primary.respondToProbesWith(
        OllamaReplies.status(302, "", "", "Location: " + elsewhere.url() + "/api/version"));
    LlmClient client = clientOf(endpoint().apiKey("a-key"));

    awaitHealthCheck();

    assertThat(elsewhere.probes()).isEmpty();
    assertThat(elsewhere.requests()).isEmpty();
    assertThat(primaryState(client)).isEqualTo(EndpointState.DOWN);
  }

  /** A router may forget a connection that is kept, and then drops without a word what it sends. */
  @Test
  void aCheckNeverWaitsOnAConnectionThatACallHasLeft() {
    Set<Connection> forgotten = ConcurrentHashMap.newKeySet();
    Set<Connection> checked = ConcurrentHashMap.newKeySet();
    primary.respondWith(
        (connection, request) -> {
          OllamaReplies.answering("NODE").answer(connection, request);
          forgotten.add(connection);
        });
    primary.respondToProbesWith(
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

    assertThat(primary.probes()).as("alive, resident, load").hasSize(3);
    assertThat(checked).hasSize(3).doesNotContainAnyElementsOf(forgotten);
    awaitSoon(() -> primary.openConnections() == 1);
  }

  @Test
  void aManagedEndpointIsNeverProbed() {
    primary.respondToProbesWith(WELL);
    LlmClient client =
        clientOf(Endpoint.openAi("primary", primary.url()).locality(Locality.MANAGED));

    time.advance(Duration.ofMinutes(5));
    client.warmUp().join();

    assertThat(primary.probes()).isEmpty();
    primary.respondWith(OllamaReplies.answering("not SSE, but asked"));
    client.chat(REQUEST);
    assertThat(primary.requests()).as("its pause alone brings it back").hasSize(2);
  }

  @Test
  void aServerWithoutSuchAPathIsAskedAgainAndComesBackAfterItsBackOff() {
    LlmClient client = clientOf(endpoint());
    awaitHealthCheck();
    primary.respondWith(OllamaReplies.answering("BACK"));

    pass(Duration.ofSeconds(9));
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("fallback");
    pass(Duration.ofSeconds(8));

    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("primary");
    assertThat(primary.probes()).hasSizeGreaterThan(5);
  }

  @ParameterizedTest
  @ValueSource(ints = {401, 403, 407, 302})
  void aCheckThatIsRefusedKeepsNothingShut(int status) {
    primary.respondToProbesWith(OllamaReplies.status(status, "text/html", "<html>a login</html>"));
    LlmClient client = clientOf(endpoint());
    primary.respondWith(OllamaReplies.answering("BACK"));

    pass(Duration.ofSeconds(18));

    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("primary");
  }

  @ParameterizedTest
  @ValueSource(ints = {401, 407})
  void aSlowCallGoesOnWhereChecksAreRefused(int status) throws Exception {
    primary.respondWith(OllamaReplies.hanging());
    primary.respondToProbesWith(OllamaReplies.status(status, "text/html", "<html>a login</html>"));
    LlmClient client = newClientOf(endpoint());
    CompletableFuture<ChatResponse> call = client.chatAsync(REQUEST);
    primary.awaitFirstRequest();

    time.advance(Duration.ofSeconds(5));
    awaitSoon(() -> primary.probes().size() == 1 && !time.isProbing());

    assertThat(primaryState(client)).isEqualTo(EndpointState.UP);
    assertThat(call).isNotDone();
  }

  /** Returns replies that may come once instead of the server's own. */
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
    primary.respondToProbesWith(odd);
    LlmClient client =
        clientOf(Endpoint.openAi("primary", primary.url()).dialect(Dialect.LM_STUDIO));
    awaitHealthCheck();
    assertThat(primaryState(client)).isEqualTo(EndpointState.DOWN);
    primary.respondToProbesWith(
        OllamaReplies.status(200, "application/json", "{\"object\":\"list\",\"data\":[]}"));

    awaitHealthCheck();

    awaitSoon(() -> primaryState(client) == EndpointState.TRIAL);
  }

  @Test
  void whatIsStillDeadIsNotAskedByACallWhenItsBackOffIsOver() {
    primary.respondToProbesWith(TUNNEL_DOWN);
    LlmClient client = clientOf(endpoint());

    for (int second = 0; second < 120; second++) {
      pass(Duration.ofSeconds(1));
      assertThat(client.chat(REQUEST).endpoint()).isEqualTo("fallback");
    }

    assertThat(primary.requests()).as("paid once").hasSize(1);
    assertThat(primary.probes()).hasSizeBetween(30, 90);
    assertThat(client.chat(REQUEST).attempts().get(0).message())
        .contains("TUNNEL_DOWN")
        .contains("asked again when a health check finds it well");
  }

  /** A call every ten seconds; how many of them were let through. */
  private int callsThatReach(LlmClient client, Duration during) {
    int before = primary.requests().size();
    for (int second = 0; second < during.toSeconds(); second++) {
      pass(Duration.ofSeconds(1));
      if (second % 10 == 9) {
        client.chat(REQUEST);
      }
    }
    return primary.requests().size() - before;
  }

  /** Moves time in steps, so that every health check has its reply. */
  private void pass(Duration duration) {
    for (int second = 0; second < duration.toSeconds(); second++) {
      time.advance(Duration.ofSeconds(1));
      awaitSoon(() -> !time.isProbing());
    }
  }

  @Test
  void aHealthPathThatIsAlwaysIllKeepsAServerShutForTenMinutesOnly() {
    primary.respondWith(OllamaReplies.status(500, "", ""));
    primary.respondToProbesWith(OllamaReplies.status(503, "text/plain", "no"));
    LlmClient client = clientOf(endpoint());
    client.chat(REQUEST);
    primary.respondWith(OllamaReplies.answering("BACK"));

    assertThat(callsThatReach(client, Duration.ofMinutes(9))).isZero();
    assertThat(callsThatReach(client, Duration.ofMinutes(3))).isGreaterThan(3);
    assertThat(primaryState(client)).isEqualTo(EndpointState.UP);
  }

  @Test
  void whereTheLoadIsForbiddenACallHasTheModelLoaded() {
    Node.Script cold = ollamaWith("");
    primary.respondToProbesWith(
        (connection, request) -> {
          if (request.line().startsWith("POST")) {
            OllamaReplies.status(403, "text/plain", "forbidden").answer(connection, request);
          } else {
            cold.answer(connection, request);
          }
        });
    LlmClient client = clientOf(endpoint());
    primary.respondWith(OllamaReplies.answering("BACK"));

    assertThat(callsThatReach(client, Duration.ofMinutes(1))).isGreaterThan(3);
  }

  @Test
  void aServerThatIsLoadingIsSkippedUntilItIsReady() {
    primary.respondToProbesWith(
        OllamaReplies.status(
            503, "application/json", "{\"error\":{\"message\":\"Loading model\"}}"));
    primary.respondWith(
        OllamaReplies.status(
            503, "application/json", "{\"error\":{\"message\":\"Loading model\"}}"));
    LlmClient client =
        clientOf(Endpoint.openAi("primary", primary.url()).dialect(Dialect.LLAMA_SERVER));
    for (int second = 0; second < 30; second++) {
      pass(Duration.ofSeconds(1));
      client.chat(REQUEST);
    }
    assertThat(primary.requests()).hasSize(1);

    primary.respondToProbesWith(WELL);
    awaitHealthCheck();

    awaitSoon(() -> primaryState(client) == EndpointState.TRIAL);
  }

  @Test
  void aRetryAfterIsKeptWithoutAHealthCheck() {
    primary.respondToProbesWith(WELL);
    primary.respondWith(OllamaReplies.status(429, "text/plain", "slow down", "Retry-After: 60"));
    LlmClient client = clientOf(endpoint());

    time.advance(Duration.ofSeconds(59));

    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("fallback");
    assertThat(primary.probes()).isEmpty();
  }

  @Test
  void aHealthCheckFromBeforeAnOutageIsNoEvidenceOfItsEnd() {
    CompletableFuture<Void> held = new CompletableFuture<>();
    Node.Script well = ollamaWith("{\"name\":\"m:latest\"}");
    primary.respondToProbesWith(
        (connection, request) -> {
          held.join();
          well.answer(connection, request);
        });
    LlmClient client = newClientOf(endpoint());
    CompletableFuture<?> warm = client.warmUp();
    awaitSoon(() -> primary.probes().size() == 1);
    time.advance(Duration.ofMillis(100));
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("fallback");
    time.advance(Duration.ofMillis(1250));

    held.complete(null);
    warm.join();
    awaitSoon(() -> !time.isProbing());

    assertThat(primaryState(client)).isEqualTo(EndpointState.DOWN);
  }

  @Test
  void anExpiredTokenThatIsRenewedIsNoticed() {
    Node.Script login =
        OllamaReplies.status(
            302, "", "", "Location: https://x.cloudflareaccess.com/cdn-cgi/access/login");
    primary.respondWith(login);
    primary.respondToProbesWith(login);
    LlmClient client = clientOf(endpoint());
    awaitHealthCheck();
    assertThat(primaryState(client)).isEqualTo(EndpointState.DOWN);

    primary.respondToProbesWith(ollamaWith("{\"name\":\"m:latest\"}"));
    awaitHealthCheck();

    awaitSoon(() -> primaryState(client) == EndpointState.TRIAL);
  }

  @Test
  void noCheckIsSentAfterClose() {
    primary.respondToProbesWith(TUNNEL_DOWN);
    LlmClient client = clientOf(endpoint());
    awaitHealthCheck();
    int asked = primary.probes().size();

    client.close();
    time.advance(Duration.ofMinutes(30));

    assertThat(primary.probes()).hasSize(asked);
  }

  @Test
  void nothingIsAskedWhileAllIsWell() {
    primary.respondWith(OllamaReplies.answering("PRIMARY"));
    LlmClient client =
        loopback.client(ClientInternals.builder(time).endpoint(endpoint().model("m").build()));
    assertThat(client.chat(REQUEST).text()).isEqualTo("PRIMARY");

    time.advance(Duration.ofHours(1));

    assertThat(primary.probes()).isEmpty();
  }
}
