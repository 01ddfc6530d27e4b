// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.failover;

import static dev.offmeter.testing.Loopback.ollama;
import static dev.offmeter.testing.TwoNodes.primaryState;
import static dev.offmeter.testing.TwoNodes.template;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.offmeter.ChatEvent;
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
import dev.offmeter.testing.ProtocolReplies;
import dev.offmeter.testing.ServerReplies;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import okhttp3.ConnectionSpec;
import okhttp3.OkHttpClient;
import okhttp3.tls.HandshakeCertificates;
import okhttp3.tls.HeldCertificate;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A connection that is kept for the next call may be closed when it comes. */
class PooledConnectionTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final HeldCertificate CERTIFICATE =
      new HeldCertificate.Builder().addSubjectAlternativeName("127.0.0.1").build();

  private static final HandshakeCertificates CERTIFICATES =
      new HandshakeCertificates.Builder()
          .heldCertificate(CERTIFICATE)
          .addTrustedCertificate(CERTIFICATE.certificate())
          .build();

  private final Set<Object> answered = ConcurrentHashMap.newKeySet();

  private LlmClient client(Node node) {
    return loopback.client(
        LlmClient.builder().endpoint(ollama("node", node).build()).endpoint(template()));
  }

  /** Answers once a connection, and drops the next request on it unread. */
  private Node.Script closingAfterEachAnswer(boolean reset) {
    return (connection, request) -> {
      if (answered.add(connection)) {
        OllamaReplies.answering("NODE").answer(connection, request);
      } else if (reset) {
        connection.reset();
      } else {
        connection.close();
      }
    };
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void aRequestThatMeetsTheCloseIsSentOverANewOne(boolean reset) {
    Node node = loopback.node(closingAfterEachAnswer(reset));
    LlmClient client = client(node);

    for (int i = 0; i < 5; i++) {
      ChatResponse response = client.chat("hello");
      assertThat(response.endpoint()).isEqualTo("node");
      assertThat(response.attempts()).hasSize(1);
    }
  }

  @Test
  void aNewConnectionThatIsClosedIsAFailedAttempt() {
    Node node = loopback.node((connection, request) -> connection.close());

    ChatResponse response = client(node).chat("hello");

    assertThat(response.endpoint()).isEqualTo("template");
    assertThat(response.attempts().get(0).failure()).contains(FailureKind.CONNECTION_LOST);
    assertThat(node.requests()).hasSize(1);
  }

  @Test
  void itIsSentOnceMoreOnly() {
    Node node = loopback.node(OllamaReplies.answering("NODE"));
    LlmClient client = client(node);
    client.chat("hello");
    node.respondWith((connection, request) -> connection.close());

    assertThat(client.chat("hello").endpoint()).isEqualTo("template");
    assertThat(node.requests()).hasSize(3);
  }

  /** A write to such a connection fails in another way than a read. */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void aRequestForAConnectionThatWasClosedBeforeIsSentOverANewOne(boolean reset) {
    Semaphore closed = new Semaphore(0);
    AtomicReference<Connection> kept = new AtomicReference<>();
    Node node =
        loopback.node(
            (connection, request) -> {
              kept.set(connection);
              OllamaReplies.answering("NODE").answer(connection, request);
              closed.release();
            });
    LlmClient client = client(node);

    for (int i = 0; i < 3; i++) {
      ChatResponse response = client.chat("hello ".repeat(100_000));
      assertThat(response.endpoint()).isEqualTo("node");
      assertThat(response.attempts()).hasSize(1);
      closed.acquireUninterruptibly();
      end(kept.get(), reset);
    }
  }

  private static void end(Connection connection, boolean reset) {
    try {
      if (reset) {
        connection.reset();
      } else {
        connection.close();
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Test
  void noKeptConnectionIsTriedForTheSecondTime() throws Exception {
    CountDownLatch both = new CountDownLatch(2);
    CountDownLatch goOn = new CountDownLatch(1);
    CountDownLatch closed = new CountDownLatch(1);
    AtomicInteger number = new AtomicInteger();
    Node.Script answer = OllamaReplies.answering("NODE");
    Node node =
        loopback.node(
            (connection, request) -> {
              switch (number.incrementAndGet()) {
                case 1, 2 -> {
                  both.countDown();
                  awaitUninterruptibly(both);
                  answer.answer(connection, request);
                }
                case 3 -> {
                  awaitUninterruptibly(goOn);
                  connection.close();
                }
                case 4 -> connection.close();
                case 5 -> {
                  answer.answer(connection, request);
                  connection.close();
                  closed.countDown();
                }
                default -> answer.answer(connection, request);
              }
            });
    LlmClient client = client(node);
    ChatRequest hello = ChatRequest.builder().user("hello").build();
    CompletableFuture<ChatResponse> one = client.chatAsync(hello);
    client.chat(hello);
    one.get();

    CompletableFuture<ChatResponse> first = client.chatAsync(hello);
    await().until(() -> node.requests().size() == 3);
    assertThat(client.chat(hello).endpoint()).isEqualTo("node");
    closed.await();
    goOn.countDown();

    assertThat(first.get().endpoint()).isEqualTo("node");
    assertThat(node.requests()).hasSize(6);
  }

  private static void awaitUninterruptibly(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void aNodeThatWasSwitchedOffIsDownWithTheFirstCallThatFindsNobody() {
    Node node = loopback.node(OllamaReplies.answering("NODE"));
    LlmClient client = client(node);
    client.chat("hello");
    node.close();

    ChatResponse response = client.chat("hello");

    assertThat(response.attempts().get(0).failure()).contains(FailureKind.CONNECTION_REFUSED);
    assertThat(primaryState(client)).isEqualTo(EndpointState.DOWN);
  }

  /** A managed server that has read the request may bill it. */
  @ParameterizedTest
  @EnumSource(Locality.class)
  void aManagedServerThatClosesLateIsNotAskedTwice(Locality locality) {
    Node node = loopback.node(OllamaReplies.answering("NODE"));
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(ollama("node", node).locality(locality).build())
                .endpoint(template()));
    client.chat("hello");
    node.respondWith(
        (connection, request) -> {
          LockSupport.parkNanos(Duration.ofMillis(700).toNanos());
          connection.close();
        });

    assertThat(client.chat("hello").endpoint()).isEqualTo("template");
    assertThat(node.requests()).hasSize(locality == Locality.MANAGED ? 2 : 3);
  }

  static Stream<Arguments> bytesOfNobody() {
    return Stream.of(ProtocolReplies.values())
        .flatMap(spoken -> bytesOfNobody(spoken).map(bytes -> Arguments.of(spoken, bytes)));
  }

  private static Stream<String> bytesOfNobody(ProtocolReplies spoken) {
    String whole = spoken.completeReply("ANOTHER");
    return Stream.of(
        streamed(spoken, "ANOTHER"),
        "HTTP/1.1 200 OK\r\nContent-Length: " + whole.length() + "\r\n\r\n" + whole,
        OllamaReplies.chunk(spoken.stream("ANOTHER")) + OllamaReplies.LAST_CHUNK,
        spoken.stream("ANOTHER"),
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nPAGE\n",
        "\r\n",
        ": keepalive\r\n\r\n",
        "}}]}");
  }

  private static String streamed(ProtocolReplies spoken, String text) {
    String head =
        spoken == ProtocolReplies.OLLAMA ? OllamaReplies.STREAM_HEAD : ServerReplies.EVENTS_HEAD;
    return head + OllamaReplies.chunk(spoken.stream(text)) + OllamaReplies.LAST_CHUNK;
  }

  private LlmClient client(ProtocolReplies spoken, Node node) {
    Endpoint.Builder endpoint = spoken.endpoint("node", node.url());
    return loopback.client(LlmClient.builder().endpoint(endpoint.build()).endpoint(template()));
  }

  private static Node.Script nodeAnswering(Semaphore sent) {
    AtomicInteger number = new AtomicInteger();
    return (connection, request) -> {
      connection.send(streamed(ProtocolReplies.OPENAI, "ANSWER " + number.incrementAndGet()));
      sent.release();
    };
  }

  /** Each request has a number for its answer. */
  private Node nodeWithBytesOfNobody(
      ProtocolReplies spoken, String bytes, boolean later, Semaphore sent) {
    AtomicInteger number = new AtomicInteger();
    return loopback.node(
        (connection, request) -> {
          String reply = streamed(spoken, "ANSWER " + number.incrementAndGet());
          connection.send(later ? reply : reply + bytes);
          if (later) {
            connection.send(bytes);
          }
          sent.release();
        });
  }

  @ParameterizedTest
  @MethodSource("bytesOfNobody")
  void bytesBehindAReplyAreNoPartOfTheNext(ProtocolReplies spoken, String bytes) {
    Semaphore sent = new Semaphore(0);
    Node node = nodeWithBytesOfNobody(spoken, bytes, false, sent);

    answersInTurn(client(spoken, node), sent);
  }

  @ParameterizedTest
  @MethodSource("bytesOfNobody")
  void bytesThatComeBetweenTwoCallsAreNoPartOfTheSecond(ProtocolReplies spoken, String bytes) {
    Semaphore sent = new Semaphore(0);
    Node node = nodeWithBytesOfNobody(spoken, bytes, true, sent);

    answersInTurn(client(spoken, node), sent);
  }

  @ParameterizedTest
  @CsvSource({"TLSv1.2, false", "TLSv1.2, true", "TLSv1.3, false", "TLSv1.3, true"})
  void norAreTheyOverTls(String version, boolean inTheirOwnRecord) {
    Semaphore sent = new Semaphore(0);
    String bytes = streamed(ProtocolReplies.OPENAI, "ANOTHER");
    Node node = nodeWithBytesOfNobody(ProtocolReplies.OPENAI, bytes, inTheirOwnRecord, sent);
    node.useTls(CERTIFICATES.sslSocketFactory());

    answersInTurn(client(node, version), sent);
  }

  @ParameterizedTest
  @ValueSource(strings = {"TLSv1.2", "TLSv1.3"})
  void aConnectionOverTlsIsUsedAgain(String version) {
    Set<Connection> connections = ConcurrentHashMap.newKeySet();
    Semaphore sent = new Semaphore(0);
    Node.Script answering = nodeAnswering(sent);
    Node node =
        loopback.node(
            (connection, request) -> {
              connections.add(connection);
              answering.answer(connection, request);
            });
    node.useTls(CERTIFICATES.sslSocketFactory());

    answersInTurn(client(node, version), sent);
    assertThat(connections).hasSize(1);
  }

  private LlmClient client(Node node, String version) {
    OkHttpClient tls =
        new OkHttpClient.Builder()
            .sslSocketFactory(CERTIFICATES.sslSocketFactory(), CERTIFICATES.trustManager())
            .connectionSpecs(
                List.of(
                    new ConnectionSpec.Builder(ConnectionSpec.MODERN_TLS)
                        .tlsVersions(version)
                        .build()))
            .build();
    String url = node.url().replace("http:", "https:");
    return loopback.client(
        LlmClient.builder()
            .httpClient(tls)
            .endpoint(ProtocolReplies.OPENAI.endpoint("node", url).build())
            .endpoint(template()));
  }

  /** A stream behind a chat, one behind a stream, a chat behind a stream, one behind a chat. */
  private static void answersInTurn(LlmClient client, Semaphore sent) {
    for (int i = 1; i <= 5; i++) {
      ChatResponse response = i == 2 || i == 3 ? streamed(client) : client.chat("hello");
      assertThat(response.text()).isEqualTo("ANSWER " + i);
      assertThat(response.attempts()).hasSize(1);
      sent.acquireUninterruptibly();
    }
  }

  private static ChatResponse streamed(LlmClient client) {
    StringBuilder shown = new StringBuilder();
    try (ChatStream stream = client.stream(ChatRequest.builder().user("hello").build())) {
      for (ChatEvent event : stream) {
        if (event instanceof ChatEvent.TextDelta delta) {
          shown.append(delta.text());
        }
      }
      assertThat(shown).hasToString(stream.response().text());
      return stream.response();
    }
  }

  @Test
  void aConnectionWhoseAnswersAreReadToTheirEndIsUsedAgain() {
    Set<Object> connections = ConcurrentHashMap.newKeySet();
    Node node =
        loopback.node(
            (connection, request) -> {
              connections.add(connection);
              OllamaReplies.answering("NODE").answer(connection, request);
            });
    LlmClient client = client(node);

    for (int i = 0; i < 5; i++) {
      client.chat("hello");
    }

    assertThat(connections).hasSize(1);
  }

  @Test
  void aTrialGoesOverANewConnection() {
    List<Object> connections = new CopyOnWriteArrayList<>();
    Node node =
        loopback.node(
            (connection, request) -> {
              connections.add(connection);
              OllamaReplies.status(
                      connections.size() == 1 ? 530 : 200, "text/plain", "error code: 1033")
                  .answer(connection, request);
            });
    ManualTime time = loopback.manualTime();
    LlmClient client =
        loopback.client(
            ClientInternals.builder(time)
                .endpoint(Loopback.ollama("node", node).build())
                .endpoint(template()));
    client.chat("one");
    assertThat(primaryState(client)).isEqualTo(EndpointState.DOWN);
    time.advance(Duration.ofSeconds(20));

    client.chat("two");

    assertThat(connections).hasSize(2).doesNotHaveDuplicates();
  }
}
