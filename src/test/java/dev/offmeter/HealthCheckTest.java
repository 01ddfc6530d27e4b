// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import static dev.offmeter.testing.Loopback.ollama;
import static dev.offmeter.testing.Loopback.quickly;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.observe.EndpointState;
import dev.offmeter.observe.EndpointStatus;
import dev.offmeter.testing.Connection;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.Replies;
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
      Replies.status(530, "text/plain", "error code: 1033");
  private static final Node.Script WELL = Replies.status(200, "application/json", "{}");

  private ManualTime time;
  private Node node;
  private Node fallback;

  @BeforeEach
  void start() {
    time = loopback.manualTime();
    node = loopback.node(TUNNEL_DOWN);
    fallback = loopback.node(Replies.answering("FALLBACK"));
  }

  private LlmClient newClientOf(Endpoint.Builder endpoint) {
    return loopback.client(
        LlmClient.builder()
            .endpoint(endpoint.model("m").build())
            .endpoint(ollama("fallback", fallback).build())
            .time(time));
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
    int before = node.asides().size();
    // After half a minute the looks are up to 1.8 s apart.
    time.advance(Duration.ofMillis(1850));
    quickly(() -> node.asides().size() > before && !time.isChecking());
  }

  private static Node.Script ollamaWith(String models) {
    return (connection, request) ->
        Replies.status(
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
    node.aside(WELL);
    clientOf(Endpoint.openAi("node", node.url() + path).dialect(dialect));

    look();

    assertThat(node.asides().get(0).line()).isEqualTo("GET " + asked + " HTTP/1.1");
  }

  /** A host often has two addresses, of which OkHttp tries the other by itself. */
  @Test
  void aNodeThatIsKilledWhileItIsAskedIsSaidToRefuseANewConnection() throws Exception {
    Node node = loopback.node(Replies.answering("NODE"));
    node.aside((connection, request) -> node.close());
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
    node.aside(ollamaWith("{\"name\":\"m:latest\"}"));
    LlmClient client = clientOf(Endpoint.ollama("node", node.url() + "/llm"));

    look();
    quickly(() -> state(client) == EndpointState.TRIAL);

    assertThat(node.asides())
        .extracting(Connection.Request::line)
        .containsExactly(
            "GET /llm/api/version HTTP/1.1",
            "GET /llm/api/ps HTTP/1.1",
            "POST /llm/api/generate HTTP/1.1");
  }

  @Test
  void aListOfModelsMayBeLongerThanWhatIsReadOfIt() {
    String model = "{\"id\":\"some-organisation/some-model\",\"object\":\"model\"},";
    node.aside(
        Replies.status(
            200,
            "application/json",
            "{\"object\":\"list\",\"data\":[" + model.repeat(2000) + "{}]}"));
    LlmClient client = clientOf(Endpoint.openAi("node", node.url()).dialect(Dialect.LM_STUDIO));

    look();

    quickly(() -> state(client) == EndpointState.TRIAL);
  }

  @Test
  void credentialsAreThoseOfACall() {
    node.aside(ollamaWith(""));
    clientOf(
        endpoint()
            .apiKey("a-key")
            .cloudflareAccess(() -> "an-id", () -> "a-secret")
            .header("X-Own", "mine"));

    look();

    Connection.Request check = node.asides().get(0);
    assertThat(check.header("Authorization")).isEqualTo("Bearer a-key");
    assertThat(check.header("CF-Access-Client-Id")).isEqualTo("an-id");
    assertThat(check.header("CF-Access-Client-Secret")).isEqualTo("a-secret");
    assertThat(check.header("X-Own")).isEqualTo("mine");
  }

  @Test
  void credentialsDoNotFollowARedirect() {
    Node elsewhere = loopback.node(WELL).aside(WELL);
    node.aside(Replies.status(302, "", "", "Location: " + elsewhere.url() + "/api/version"));
    LlmClient client = clientOf(endpoint().apiKey("a-key"));

    look();

    assertThat(elsewhere.asides()).isEmpty();
    assertThat(elsewhere.requests()).isEmpty();
    assertThat(state(client)).isEqualTo(EndpointState.DOWN);
  }

  /** A router may forget a connection that is kept, and then drops without a word what it sends. */
  @Test
  void aCheckNeverWaitsOnAConnectionThatACallHasLeft() {
    Set<Connection> forgotten = ConcurrentHashMap.newKeySet();
    Set<Connection> checked = ConcurrentHashMap.newKeySet();
    node.behaves(
        (connection, request) -> {
          Replies.answering("NODE").answer(connection, request);
          forgotten.add(connection);
        });
    node.aside(
        (connection, request) -> {
          checked.add(connection);
          if (forgotten.contains(connection)) {
            connection.hang();
          }
          ollamaWith("{\"name\":\"m:latest\"}").answer(connection, request);
        });
    LlmClient client =
        loopback.client(LlmClient.builder().endpoint(endpoint().model("m").build()).time(time));
    client.chat(REQUEST);
    quickly(() -> !forgotten.isEmpty());

    assertThat(client.warmUp()).succeedsWithin(Duration.ofSeconds(5));

    assertThat(node.asides()).as("alive, resident, load").hasSize(3);
    assertThat(checked).hasSize(3).doesNotContainAnyElementsOf(forgotten);
    quickly(() -> node.openConnections() == 1);
  }

  @Test
  void aManagedEndpointIsNeverAskedOnTheSide() {
    node.aside(WELL);
    LlmClient client = clientOf(Endpoint.openAi("node", node.url()).locality(Locality.MANAGED));

    time.advance(Duration.ofMinutes(5));
    client.warmUp().join();

    assertThat(node.asides()).isEmpty();
    node.behaves(Replies.answering("not SSE, but asked"));
    client.chat(REQUEST);
    assertThat(node.requests()).as("its pause alone brings it back").hasSize(2);
  }

  @Test
  void aServerWithoutSuchAPathIsAskedAgainAndComesBackByItsPause() {
    LlmClient client = clientOf(endpoint());
    look();
    node.behaves(Replies.answering("BACK"));

    pass(Duration.ofSeconds(9));
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("fallback");
    pass(Duration.ofSeconds(8));

    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("node");
    assertThat(node.asides()).hasSizeGreaterThan(5);
  }

  @ParameterizedTest
  @ValueSource(ints = {401, 403, 407, 302})
  void aCheckThatIsRefusedKeepsNothingShut(int status) {
    node.aside(Replies.status(status, "text/html", "<html>a login</html>"));
    LlmClient client = clientOf(endpoint());
    node.behaves(Replies.answering("BACK"));

    pass(Duration.ofSeconds(18));

    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("node");
  }

  @ParameterizedTest
  @ValueSource(ints = {401, 407})
  void aSlowCallGoesOnWhereChecksAreRefused(int status) throws Exception {
    node.behaves(Replies.hanging());
    node.aside(Replies.status(status, "text/html", "<html>a login</html>"));
    LlmClient client = newClientOf(endpoint());
    CompletableFuture<ChatResponse> call = client.chatAsync(REQUEST);
    node.awaitAsked();

    time.advance(Duration.ofSeconds(5));
    quickly(() -> node.asides().size() == 1 && !time.isChecking());

    assertThat(state(client)).isEqualTo(EndpointState.UP);
    assertThat(call).isNotDone();
  }

  /** What may come once, instead of the server's own reply. */
  private static Stream<Named<Node.Script>> oddReplies() {
    return Stream.of(
        Named.of("too many requests", Replies.status(429, "text/plain", "slow down")),
        Named.of(
            "cut short",
            (connection, request) -> {
              connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"object\":");
              connection.close();
            }));
  }

  @ParameterizedTest
  @MethodSource("oddReplies")
  void oneOddReplyDoesNotEndTheLooks(Node.Script odd) {
    node.aside(odd);
    LlmClient client = clientOf(Endpoint.openAi("node", node.url()).dialect(Dialect.LM_STUDIO));
    look();
    assertThat(state(client)).isEqualTo(EndpointState.DOWN);
    node.aside(Replies.status(200, "application/json", "{\"object\":\"list\",\"data\":[]}"));

    look();

    quickly(() -> state(client) == EndpointState.TRIAL);
  }

  @Test
  void whatIsStillDeadIsNotAskedByACallWhenItsPauseIsOver() {
    node.aside(TUNNEL_DOWN);
    LlmClient client = clientOf(endpoint());

    for (int second = 0; second < 120; second++) {
      pass(Duration.ofSeconds(1));
      assertThat(client.chat(REQUEST).endpoint()).isEqualTo("fallback");
    }

    assertThat(node.requests()).as("paid once").hasSize(1);
    assertThat(node.asides()).hasSizeBetween(30, 90);
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
      quickly(() -> !time.isChecking());
    }
  }

  @Test
  void aHealthPathThatIsAlwaysIllKeepsAServerShutForTenMinutesOnly() {
    node.behaves(Replies.status(500, "", ""));
    node.aside(Replies.status(503, "text/plain", "no"));
    LlmClient client = clientOf(endpoint());
    client.chat(REQUEST);
    node.behaves(Replies.answering("BACK"));

    assertThat(callsThatReach(client, Duration.ofMinutes(9))).isZero();
    assertThat(callsThatReach(client, Duration.ofMinutes(3))).isGreaterThan(3);
    assertThat(state(client)).isEqualTo(EndpointState.UP);
  }

  @Test
  void whereTheLoadIsForbiddenACallHasTheModelLoaded() {
    Node.Script cold = ollamaWith("");
    node.aside(
        (connection, request) -> {
          if (request.line().startsWith("POST")) {
            Replies.status(403, "text/plain", "forbidden").answer(connection, request);
          } else {
            cold.answer(connection, request);
          }
        });
    LlmClient client = clientOf(endpoint());
    node.behaves(Replies.answering("BACK"));

    assertThat(callsThatReach(client, Duration.ofMinutes(1))).isGreaterThan(3);
  }

  @Test
  void aServerThatIsLoadingIsLeftAloneUntilItIsReady() {
    node.aside(
        Replies.status(503, "application/json", "{\"error\":{\"message\":\"Loading model\"}}"));
    node.behaves(
        Replies.status(503, "application/json", "{\"error\":{\"message\":\"Loading model\"}}"));
    LlmClient client = clientOf(Endpoint.openAi("node", node.url()).dialect(Dialect.LLAMA_SERVER));
    for (int second = 0; second < 30; second++) {
      pass(Duration.ofSeconds(1));
      client.chat(REQUEST);
    }
    assertThat(node.requests()).hasSize(1);

    node.aside(WELL);
    look();

    quickly(() -> state(client) == EndpointState.TRIAL);
  }

  @Test
  void aPauseThatTheServerHasNamedIsKeptWithoutALook() {
    node.aside(WELL);
    node.behaves(Replies.status(429, "text/plain", "slow down", "Retry-After: 60"));
    LlmClient client = clientOf(endpoint());

    time.advance(Duration.ofSeconds(59));

    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("fallback");
    assertThat(node.asides()).isEmpty();
  }

  @Test
  void aLookFromBeforeAnOutageIsNoEvidenceOfItsEnd() {
    CompletableFuture<Void> held = new CompletableFuture<>();
    Node.Script well = ollamaWith("{\"name\":\"m:latest\"}");
    node.aside(
        (connection, request) -> {
          held.join();
          well.answer(connection, request);
        });
    LlmClient client = newClientOf(endpoint());
    CompletableFuture<?> warm = client.warmUp();
    quickly(() -> node.asides().size() == 1);
    time.advance(Duration.ofMillis(100));
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("fallback");
    time.advance(Duration.ofMillis(1250));

    held.complete(null);
    warm.join();
    quickly(() -> !time.isChecking());

    assertThat(state(client)).isEqualTo(EndpointState.DOWN);
  }

  @Test
  void anExpiredTokenThatIsRenewedIsNoticed() {
    Node.Script login =
        Replies.status(
            302, "", "", "Location: https://x.cloudflareaccess.com/cdn-cgi/access/login");
    node.behaves(login);
    node.aside(login);
    LlmClient client = clientOf(endpoint());
    look();
    assertThat(state(client)).isEqualTo(EndpointState.DOWN);

    node.aside(ollamaWith("{\"name\":\"m:latest\"}"));
    look();

    quickly(() -> state(client) == EndpointState.TRIAL);
  }

  @Test
  void noCheckIsSentAfterClose() {
    node.aside(TUNNEL_DOWN);
    LlmClient client = clientOf(endpoint());
    look();
    int asked = node.asides().size();

    client.close();
    time.advance(Duration.ofMinutes(30));

    assertThat(node.asides()).hasSize(asked);
  }

  @Test
  void nothingIsAskedWhileAllIsWell() {
    node.behaves(Replies.answering("PRIMARY"));
    LlmClient client =
        loopback.client(LlmClient.builder().endpoint(endpoint().model("m").build()).time(time));
    assertThat(client.chat(REQUEST).text()).isEqualTo("PRIMARY");

    time.advance(Duration.ofHours(1));

    assertThat(node.asides()).isEmpty();
  }
}
