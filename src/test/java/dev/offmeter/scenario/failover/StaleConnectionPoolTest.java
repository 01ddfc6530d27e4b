// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.failover;

import static dev.offmeter.testing.Loopback.awaitSoon;
import static dev.offmeter.testing.Loopback.ollama;
import static dev.offmeter.testing.TwoNodes.primaryState;
import static dev.offmeter.testing.TwoNodes.template;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.Attempt;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.ClientInternals;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.Locality;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.testing.Connection;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.ServerReplies;
import java.io.IOException;
import java.net.InetAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import okhttp3.Dns;
import okhttp3.OkHttpClient;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A lost connection shows that the other pooled ones are lost too, and nothing about the server.
 */
@Timeout(20)
class StaleConnectionPoolTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final ChatRequest REQUEST = ChatRequest.builder().user("a reminder").build();

  private final Set<Object> kept = ConcurrentHashMap.newKeySet();

  /** The protocol in which a node is asked and answers. */
  enum Spoken {
    OLLAMA,
    OPENAI,
    GEMINI,
    ANTHROPIC;

    Endpoint.Builder endpoint(String name, Node node) {
      Endpoint.Builder builder =
          switch (this) {
            case OLLAMA -> Endpoint.ollama(name, node.url());
            case OPENAI -> Endpoint.openAi(name, node.url());
            case GEMINI -> Endpoint.gemini(name, node.url());
            case ANTHROPIC -> Endpoint.anthropic(name, node.url());
          };
      return builder.model("m").locality(Locality.SELF_HOSTED);
    }

    Node.Script answer() {
      return switch (this) {
        case OLLAMA -> OllamaReplies.answering("HOME");
        case OPENAI -> ServerReplies.openAi("HOME");
        case GEMINI -> ServerReplies.gemini("HOME");
        case ANTHROPIC -> ServerReplies.anthropic("HOME");
      };
    }
  }

  /** The ways in which a pooled connection turns out to be lost. */
  enum Lost {
    RESET,
    CLOSED,
    TIMED_OUT;

    void end(Connection connection) throws IOException {
      switch (this) {
        case RESET -> connection.reset();
        case CLOSED -> connection.close();
        case TIMED_OUT ->
            connection.send(
                "HTTP/1.1 408 Request Time-out\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
      }
    }
  }

  static Stream<Arguments> everyWay() {
    return Stream.of(Spoken.values())
        .flatMap(spoken -> Stream.of(Lost.values()).map(lost -> Arguments.of(spoken, lost)));
  }

  private LlmClient client(Endpoint.Builder home) {
    return loopback.client(LlmClient.builder().endpoint(home.build()).endpoint(template()));
  }

  /** Makes so many calls at once that as many connections idle afterwards. */
  private void warm(LlmClient client, Node node, Node.Script answer, int connections) {
    CountDownLatch all = new CountDownLatch(connections);
    node.respondWith(
        (connection, request) -> {
          kept.add(connection);
          all.countDown();
          await(all);
          answer.answer(connection, request);
        });
    List<CompletableFuture<ChatResponse>> calls = new ArrayList<>();
    for (int i = 0; i < connections; i++) {
      calls.add(client.chatAsync(REQUEST));
    }
    calls.forEach(CompletableFuture::join);
    assertThat(kept).hasSizeGreaterThanOrEqualTo(connections);
  }

  private static void await(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  private static EndpointState state(LlmClient client) {
    return primaryState(client);
  }

  private static void isAnsweredAtHome(ChatResponse response) {
    assertThat(response.endpoint()).isEqualTo("home");
    assertThat(response.attempts()).hasSize(1);
  }

  private static ChatResponse streamed(LlmClient client) {
    try (ChatStream stream = client.stream(REQUEST)) {
      return stream.response();
    }
  }

  @ParameterizedTest
  @MethodSource("everyWay")
  void oneConnectionThatIsNoneShowsThatAllOfThemAreNone(Spoken spoken, Lost lost) {
    Node node = loopback.node(spoken.answer());
    LlmClient client = client(spoken.endpoint("home", node));
    warm(client, node, spoken.answer(), 4);
    AtomicInteger met = new AtomicInteger();
    node.respondWith(
        (connection, request) -> {
          if (kept.contains(connection)) {
            met.incrementAndGet();
            lost.end(connection);
          } else {
            spoken.answer().answer(connection, request);
          }
        });

    for (int i = 0; i < 3; i++) {
      isAnsweredAtHome(client.chat(REQUEST));
      isAnsweredAtHome(streamed(client));
    }

    assertThat(met).hasValue(1);
    assertThat(state(client)).isEqualTo(EndpointState.UP);
  }

  @ParameterizedTest
  @MethodSource("everyWay")
  void ofPoolsThatAreHalfGoneNothingIsSeen(Spoken spoken, Lost lost) {
    Node node = loopback.node(spoken.answer());
    LlmClient client = client(spoken.endpoint("home", node));
    warm(client, node, spoken.answer(), 6);
    List<Object> gone = new ArrayList<>(kept).subList(0, 3);
    node.respondWith(
        (connection, request) -> {
          if (gone.contains(connection)) {
            lost.end(connection);
          } else {
            spoken.answer().answer(connection, request);
          }
        });

    List<CompletableFuture<ChatResponse>> calls = new ArrayList<>();
    for (int i = 0; i < 6; i++) {
      calls.add(client.chatAsync(REQUEST));
    }

    calls.forEach(call -> isAnsweredAtHome(call.join()));
    assertThat(state(client)).isEqualTo(EndpointState.UP);
  }

  @ParameterizedTest
  @EnumSource(Spoken.class)
  void aNodeThatWasSwitchedOffIsDownWithTheFirstCallThatFindsNobody(Spoken spoken) {
    Node node = loopback.node(spoken.answer());
    LlmClient client = client(spoken.endpoint("home", node));
    warm(client, node, spoken.answer(), 2);
    node.close();

    ChatResponse response = streamed(client);

    assertThat(response.attempts().get(0).failure()).contains(FailureKind.CONNECTION_REFUSED);
    assertThat(state(client)).isEqualTo(EndpointState.DOWN);
  }

  @Test
  void theFallbacksPoolIsNoBetterAndCostsNoMore() {
    Node home = loopback.node(OllamaReplies.answering("HOME"));
    Node second = loopback.node(OllamaReplies.answering("SECOND"));
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(ollama("home", home).build())
                .endpoint(ollama("second", second).locality(Locality.MANAGED).build())
                .endpoint(template()));
    home.respondWith(OllamaReplies.status(400, "application/json", "{\"error\":\"no\"}"));
    warm(client, second, OllamaReplies.answering("SECOND"), 3);
    second.respondWith(
        (connection, request) -> {
          if (kept.contains(connection)) {
            connection.reset();
          } else {
            OllamaReplies.answering("SECOND").answer(connection, request);
          }
        });

    for (int i = 0; i < 3; i++) {
      assertThat(client.chat(REQUEST).endpoint()).isEqualTo("second");
    }
  }

  @Test
  void whatOneEndpointLearnsOfAServerAnotherKnows() {
    Node node = loopback.node(OllamaReplies.answering("HOME"));
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(ollama("home", node).build())
                .endpoint(ollama("other", node).build()));
    warm(client, node, OllamaReplies.answering("HOME"), 3);
    Node.Script refusal = OllamaReplies.status(400, "application/json", "{\"error\":\"no\"}");
    node.respondWith(
        (connection, request) -> {
          kept.add(connection);
          boolean home = request.body().contains("home-model");
          (home ? refusal : OllamaReplies.answering("OTHER")).answer(connection, request);
        });
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("other");
    AtomicInteger met = new AtomicInteger();
    node.respondWith(
        (connection, request) -> {
          if (kept.contains(connection)) {
            met.incrementAndGet();
            connection.reset();
          } else if (request.body().contains("home-model")) {
            refusal.answer(connection, request);
          } else {
            OllamaReplies.answering("OTHER").answer(connection, request);
          }
        });

    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("other");

    assertThat(met).hasValue(1);
  }

  @ParameterizedTest
  @EnumSource(Lost.class)
  void aRequestThatIsSentAgainCountsInTheRate(Lost lost) {
    Node node = loopback.node(OllamaReplies.answering("HOME"));
    LlmClient client = client(ollama("home", node).requestsPerMinute(4));
    node.respondWith(
        (connection, request) -> {
          if (kept.add(connection)) {
            OllamaReplies.answering("HOME").answer(connection, request);
          } else {
            lost.end(connection);
          }
        });

    for (int i = 0; i < 8; i++) {
      assertThat(client.chat(REQUEST).attempts().get(0).failure())
          .isNotEqualTo(Optional.of(FailureKind.CIRCUIT_OPEN));
    }

    assertThat(node.requests()).hasSize(4);
    assertThat(state(client)).isEqualTo(EndpointState.UP);
  }

  @Test
  void whereTheRateLeavesNoRoomTheLossIsTold() {
    Node node = loopback.node(OllamaReplies.answering("HOME"));
    LlmClient client = client(ollama("home", node).requestsPerMinute(2));
    client.chat(REQUEST);
    node.respondWith((connection, request) -> connection.reset());

    Attempt lost = client.chat(REQUEST).attempts().get(0);

    assertThat(lost.failure()).contains(FailureKind.CONNECTION_LOST);
    assertThat(lost.message()).contains("not sent once more: all 2 requests of the last minute");
  }

  /** A managed server may bill what it has read, so it is not asked again. */
  @Test
  void aConnectionThatIsLostWithoutAByteIsNoEvidenceAgainstItsServer() {
    Node node = loopback.node(OllamaReplies.answering("HOME"));
    LlmClient client = client(ollama("home", node).locality(Locality.MANAGED));
    client.chat(REQUEST);
    node.respondWith(
        (connection, request) -> {
          LockSupport.parkNanos(Duration.ofMillis(700).toNanos());
          connection.reset();
        });
    assertThat(client.chat(REQUEST).attempts().get(0).failure())
        .contains(FailureKind.CONNECTION_LOST);
    node.respondWith(OllamaReplies.status(502, "text/html", "<html>Bad gateway</html>"));

    client.chat(REQUEST);

    assertThat(state(client)).as("one failure, not two").isEqualTo(EndpointState.UP);
  }

  /** Connections that idle beside a stream run through the same router. */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void aStreamThatIsForgottenShowsThatTheRestIsForgottenToo(boolean reset) throws Exception {
    ManualTime time = loopback.manualTime();
    Node node =
        loopback
            .node(OllamaReplies.answering("HOME"))
            .respondToProbesWith(
                OllamaReplies.probes(OllamaReplies.loadCompleted(), "home-model:latest"));
    LlmClient client =
        loopback.client(
            ClientInternals.builder(time)
                .endpoint(ollama("home", node).build())
                .endpoint(template()));
    warm(client, node, OllamaReplies.answering("HOME"), 3);
    AtomicInteger met = new AtomicInteger();
    Semaphore begun = new Semaphore(0);
    node.respondWith(
        (connection, request) -> {
          if (met.incrementAndGet() == 1) {
            connection.send(OllamaReplies.STREAM_HEAD + OllamaReplies.tokens("Dear"));
            begun.release();
          }
          if (reset && met.get() == 1) {
            connection.reset();
          } else if (kept.contains(connection)) {
            connection.hang();
          } else {
            OllamaReplies.answering("HOME").answer(connection, request);
          }
        });
    CompletableFuture<String> stream = CompletableFuture.supplyAsync(() -> streamed(client).text());
    begun.acquire();
    awaitSoon(() -> stream.isDone() || isStalled(time));

    assertThat(stream.get()).isEqualTo("TEMPLATE");
    isAnsweredAtHome(client.chat(REQUEST));
    assertThat(met).hasValue(2);
  }

  private static boolean isStalled(ManualTime time) {
    time.advance(Duration.ofMillis(500));
    return false;
  }

  @Test
  void theSecondSendingHasAConnectClockOfItsOwn() throws Exception {
    ManualTime time = loopback.manualTime();
    Node node = loopback.node(OllamaReplies.answering("HOME"));
    CountDownLatch again = new CountDownLatch(1);
    AtomicInteger lookups = new AtomicInteger();
    Dns dns =
        host -> {
          if (lookups.incrementAndGet() > 1) {
            again.countDown();
            LockSupport.parkNanos(Duration.ofSeconds(15).toNanos());
          }
          return List.of(InetAddress.getLoopbackAddress());
        };
    String url = node.url().replace("127.0.0.1", "node.example");
    LlmClient client =
        loopback.client(
            ClientInternals.builder(time)
                .endpoint(
                    Endpoint.ollama("home", url)
                        .model("m")
                        .connectTimeout(Duration.ofMillis(700))
                        .build())
                .endpoint(template())
                .httpClient(new OkHttpClient.Builder().dns(dns).build()));
    client.chat(REQUEST);
    Semaphore reset = new Semaphore(0);
    node.respondWith(
        (connection, request) -> {
          reset.acquireUninterruptibly();
          connection.reset();
        });
    CompletableFuture<ChatResponse> call = client.chatAsync(REQUEST);
    awaitSoon(() -> node.requests().size() == 2 && time.pendingTasks() > 0);
    time.advance(Duration.ofMillis(750));
    reset.release();
    await(again);

    time.advance(Duration.ofMillis(700));

    Attempt lost = call.get().attempts().get(0);
    assertThat(lost.failure()).contains(FailureKind.CONNECT_TIMEOUT);
    assertThat(state(client)).isEqualTo(EndpointState.DOWN);
  }
}
