// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.failover;

import static dev.offmeter.testing.Loopback.awaitSoon;
import static dev.offmeter.testing.Loopback.ollama;
import static dev.offmeter.testing.TwoNodes.primaryState;
import static dev.offmeter.testing.TwoNodes.template;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.ClientInternals;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.Locality;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.testing.Connection;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A kept connection that a router has forgotten is silent, and the server is well. */
@Timeout(20)
class SilentPooledConnectionTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final ChatRequest REQUEST = ChatRequest.builder().user("a reminder").build();
  private static final Node.Script WELL =
      OllamaReplies.probes(OllamaReplies.loadCompleted(), "home-model:latest");

  private final Set<Object> known = ConcurrentHashMap.newKeySet();
  private ManualTime time;
  private Node home;

  @BeforeEach
  void start() {
    time = loopback.manualTime();
    home = loopback.node(OllamaReplies.answering("HOME")).respondToProbesWith(WELL);
  }

  private LlmClient client(Locality locality) {
    return loopback.client(
        ClientInternals.builder(time)
            .endpoint(ollama("home", home).locality(locality).build())
            .endpoint(template()));
  }

  /** Makes so many calls at once that as many connections idle afterwards. */
  private void warm(LlmClient client, int connections) {
    CountDownLatch all = new CountDownLatch(connections);
    home.respondWith(
        (connection, request) -> {
          known.add(connection);
          all.countDown();
          await(all);
          OllamaReplies.answering("HOME").answer(connection, request);
        });
    List<CompletableFuture<ChatResponse>> calls = new ArrayList<>();
    for (int i = 0; i < connections; i++) {
      calls.add(client.chatAsync(REQUEST));
    }
    calls.forEach(CompletableFuture::join);
    time.advance(Duration.ofSeconds(3));
  }

  private static void await(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  /** From now on the node is silent on earlier connections, and answers on new ones. */
  private void forgetsWhatIsKept() {
    home.respondWith(
        (connection, request) -> {
          if (known.contains(connection)) {
            connection.hang();
          } else {
            OllamaReplies.answering("HOME").answer(connection, request);
          }
        });
  }

  private CompletableFuture<ChatResponse> ask(LlmClient client) {
    int asked = home.requests().size();
    CompletableFuture<ChatResponse> call = client.chatAsync(REQUEST);
    awaitSoon(() -> home.requests().size() > asked);
    return call;
  }

  private static EndpointState state(LlmClient client) {
    return primaryState(client);
  }

  @Test
  void theRequestIsSentOnceMoreLongBeforeItsLimitAndTheOthersAreDropped() throws Exception {
    LlmClient client = client(Locality.SELF_HOSTED);
    warm(client, 3);
    forgetsWhatIsKept();
    CompletableFuture<ChatResponse> call = ask(client);

    time.advance(Duration.ofSeconds(5));

    ChatResponse response = call.get();
    assertThat(response.endpoint()).isEqualTo("home");
    assertThat(response.attempts()).hasSize(1);
    assertThat(response.elapsed()).isEqualTo(Duration.ofSeconds(5));
    int asked = home.requests().size();
    for (int i = 0; i < 3; i++) {
      assertThat(client.chat(REQUEST).endpoint()).isEqualTo("home");
    }
    assertThat(home.requests()).as("no other met a forgotten one").hasSize(asked + 3);
  }

  @Test
  void allThatWaitOnSuchConnectionsMoveTogether() throws Exception {
    LlmClient client = client(Locality.SELF_HOSTED);
    warm(client, 3);
    forgetsWhatIsKept();
    List<CompletableFuture<ChatResponse>> calls = List.of(ask(client), ask(client), ask(client));

    time.advance(Duration.ofSeconds(5));

    for (CompletableFuture<ChatResponse> call : calls) {
      assertThat(call.get().endpoint()).isEqualTo("home");
    }
  }

  /**
   * Calls that are served show that the server lives, but say nothing of the one that is silent.
   */
  @Test
  void oneThatIsForgottenAmongThoseThatServeIsFoundToo() throws Exception {
    LlmClient client = client(Locality.SELF_HOSTED);
    warm(client, 2);
    Set<Object> forgotten = ConcurrentHashMap.newKeySet();
    home.respondWith(
        (connection, request) -> {
          if (forgotten.isEmpty()) {
            forgotten.add(connection);
            connection.hang();
          } else {
            OllamaReplies.answering("HOME").answer(connection, request);
          }
        });
    CompletableFuture<ChatResponse> call = ask(client);

    for (int i = 0; i < 10; i++) {
      assertThat(client.chat(REQUEST).endpoint()).isEqualTo("home");
      time.advance(Duration.ofMillis(500));
    }
    awaitSoon(() -> !time.isProbing());

    assertThat(call.get().endpoint()).isEqualTo("home");
    assertThat(call.get().elapsed()).isEqualTo(Duration.ofSeconds(5));
  }

  /** A request within a rate costs one more, or is not sent again. */
  @Test
  void whereTheRateLeavesNoRoomItIsNotSentAgain() throws Exception {
    LlmClient client =
        loopback.client(
            ClientInternals.builder(time)
                .endpoint(ollama("home", home).requestsPerMinute(2).build())
                .endpoint(template()));
    warm(client, 1);
    forgetsWhatIsKept();
    CompletableFuture<ChatResponse> call = ask(client);

    time.advance(Duration.ofSeconds(5));
    awaitSoon(() -> !time.isProbing());
    assertThat(call).isNotDone();
    time.advance(Duration.ofSeconds(10));

    assertThat(call.get().endpoint()).isEqualTo("template");
    assertThat(home.requests()).hasSize(2);
  }

  @Test
  void aStreamIsSentOnceMoreToo() throws Exception {
    LlmClient client = client(Locality.SELF_HOSTED);
    warm(client, 1);
    forgetsWhatIsKept();
    int asked = home.requests().size();
    CompletableFuture<String> text =
        CompletableFuture.supplyAsync(
            () -> {
              try (ChatStream stream = client.stream(REQUEST)) {
                return stream.response().endpoint();
              }
            });
    awaitSoon(() -> home.requests().size() > asked);

    time.advance(Duration.ofSeconds(5));

    assertThat(text.get()).isEqualTo("home");
  }

  @Test
  void aServerThatIsOnlySlowGetsOneRequestTwiceAndNoOther() throws Exception {
    LlmClient client = client(Locality.SELF_HOSTED);
    warm(client, 1);
    home.respondWith(OllamaReplies.hanging());
    CompletableFuture<ChatResponse> first = ask(client);
    time.advance(Duration.ofSeconds(5));
    awaitSoon(() -> home.requests().size() == 3);
    assertThat(home.activeCalls()).as("the first is given up before").isLessThanOrEqualTo(2);
    time.advance(Duration.ofSeconds(10));
    assertThat(first.get().attempts().get(0).message()).contains("sent once more");
    warm(client, 1);
    int asked = home.requests().size();
    home.respondWith(OllamaReplies.hanging());

    CompletableFuture<ChatResponse> second = ask(client);
    time.advance(Duration.ofSeconds(15));

    assertThat(second.get().endpoint()).isEqualTo("template");
    assertThat(home.requests()).hasSize(asked + 1);
  }

  @Test
  void aSilenceThatIsUsualThereIsNoSign() throws Exception {
    LlmClient client = client(Locality.SELF_HOSTED);
    for (int i = 0; i < 3; i++) {
      home.respondWith(
          (connection, request) -> {
            time.advance(Duration.ofSeconds(4));
            OllamaReplies.answering("HOME").answer(connection, request);
          });
      client.chat(REQUEST);
    }
    home.respondWith(OllamaReplies.hanging());
    int asked = home.requests().size();
    CompletableFuture<ChatResponse> call = ask(client);

    time.advance(Duration.ofSeconds(5));
    awaitSoon(() -> !time.isProbing());

    assertThat(home.requests()).hasSize(asked + 1);
    time.advance(Duration.ofSeconds(10));
    call.get();
  }

  @Test
  void aLongPromptMayTakeLonger() throws Exception {
    LlmClient client = client(Locality.SELF_HOSTED);
    warm(client, 1);
    home.respondWith(OllamaReplies.hanging());
    int asked = home.requests().size();
    CompletableFuture<ChatResponse> call =
        client.chatAsync(ChatRequest.builder().user("word ".repeat(2000)).build());
    awaitSoon(() -> home.requests().size() > asked);

    time.advance(Duration.ofSeconds(15));

    assertThat(call.get().endpoint()).isEqualTo("template");
    assertThat(home.requests()).hasSize(asked + 1);
  }

  @Test
  void aNewConnectionIsNeverDoubted() throws Exception {
    LlmClient client = client(Locality.SELF_HOSTED);
    home.respondWith(OllamaReplies.hanging());
    CompletableFuture<ChatResponse> call = ask(client);

    time.advance(Duration.ofSeconds(15));

    call.get();
    assertThat(home.requests()).hasSize(1);
  }

  /** A managed server may bill a request that it has not answered, and is not health-checked. */
  @Test
  void somebodyElsesServerGetsNoRequestTwiceAndIsNotBlamedTwice() throws Exception {
    LlmClient client = client(Locality.MANAGED);
    warm(client, 3);
    forgetsWhatIsKept();
    List<CompletableFuture<ChatResponse>> calls = List.of(ask(client), ask(client), ask(client));
    int asked = home.requests().size();

    time.advance(Duration.ofSeconds(15));

    for (CompletableFuture<ChatResponse> call : calls) {
      assertThat(call.get().endpoint()).isEqualTo("template");
    }
    assertThat(home.requests()).hasSize(asked);
    assertThat(state(client)).isEqualTo(EndpointState.UP);
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("home");
  }

  @ParameterizedTest
  @ValueSource(strings = {"SELF_HOSTED", "MANAGED"})
  void anUnaskedTimeoutOfAnIdleConnectionIsNoReply(Locality locality) {
    LlmClient client = client(locality);
    home.respondWith(
        (connection, request) -> {
          OllamaReplies.answering("HOME").answer(connection, request);
          if (known.add(connection) && known.size() < 3) {
            unasked(connection);
          }
        });
    for (int i = 0; i < 4; i++) {
      ChatResponse response = client.chat(REQUEST);
      assertThat(response.endpoint()).isEqualTo("home");
      assertThat(response.attempts()).hasSize(1);
    }
  }

  private static void unasked(Connection connection) throws IOException {
    connection.send(
        "HTTP/1.1 408 Request Time-out\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  }

  @Test
  void aTimeoutOnANewConnectionIsAGatewaysWord() {
    home.respondWith(OllamaReplies.status(408, "", ""));

    ChatResponse response = client(Locality.SELF_HOSTED).chat(REQUEST);

    assertThat(response.attempts().get(0).failure()).contains(FailureKind.GATEWAY_TIMEOUT);
    assertThat(home.requests()).hasSize(1);
  }
}
