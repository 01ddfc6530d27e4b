// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.answers;

import static dev.offmeter.testing.Loopback.ollama;
import static dev.offmeter.testing.TwoNodes.primaryState;
import static dev.offmeter.testing.TwoNodes.template;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.ChatEvent;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.ClientInternals;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.StreamRecovery;
import dev.offmeter.Usage;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.testing.Connection;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.ServerReplies;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** An answer whose text is whole is not taken back. */
@Timeout(60)
class EndOfTextTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final String TEXT = "A whole answer.";
  private static final ChatRequest REQUEST = ChatRequest.builder().user("draft").build();

  private ManualTime time;
  private Node node;

  @BeforeEach
  void start() {
    time = loopback.manualTime();
    node = loopback.node(OllamaReplies.hanging());
  }

  /** A protocol, with an answer as far as the end of its text. */
  enum Server {
    OLLAMA(OllamaReplies.STREAM_HEAD + OllamaReplies.tokens(TEXT) + OllamaReplies.end("stop", 3)),
    OPENAI(events(ServerReplies.openAiPiece(TEXT), ServerReplies.openAiEnd("stop"))),
    GEMINI(
        events(
            "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\""
                + TEXT
                + "\"}]},\"finishReason\":\"STOP\"}]}")),
    ANTHROPIC(
        events(
            "{\"type\":\"message_start\",\"message\":{}}",
            "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\","
                + "\"text\":\""
                + TEXT
                + "\"}}",
            "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}"));

    private final String reply;

    Server(String reply) {
      this.reply = reply;
    }

    private static String events(String... events) {
      StringBuilder reply = new StringBuilder(ServerReplies.EVENTS_HEAD);
      for (String event : events) {
        reply.append(OllamaReplies.chunk("data: " + event + "\n\n"));
      }
      return reply.toString();
    }

    Endpoint.Builder at(Node node) {
      return switch (this) {
        case OLLAMA -> ollama("node", node);
        case OPENAI -> Endpoint.openAi("node", node.url()).model("m");
        case GEMINI -> Endpoint.gemini("node", node.url()).model("m");
        default -> Endpoint.anthropic("node", node.url()).model("m");
      };
    }
  }

  /** The bytes that follow the end of the text. */
  enum Tail {
    SILENCE {
      @Override
      void send(Connection connection) throws IOException {
        connection.hang();
      }
    },
    JUNK {
      @Override
      void send(Connection connection) throws IOException {
        connection.send(OllamaReplies.chunk("data: {\"cut\n\n") + OllamaReplies.chunk("<html>"));
        connection.hang();
      }
    },
    HALF_AN_END {
      @Override
      void send(Connection connection) throws IOException {
        connection.send(OllamaReplies.chunk("data: [DO"));
        connection.close();
      }
    },
    CLOSE {
      @Override
      void send(Connection connection) throws IOException {
        connection.close();
      }
    },
    RESET {
      @Override
      void send(Connection connection) throws IOException {
        connection.reset();
      }
    },
    BROKEN_FRAMING {
      @Override
      void send(Connection connection) throws IOException {
        connection.send("what is this?\r\n\r\n");
        connection.hang();
      }
    };

    abstract void send(Connection connection) throws IOException;
  }

  static Stream<Arguments> endings() {
    return Stream.of(Server.values())
        .flatMap(server -> Stream.of(Tail.values()).map(tail -> Arguments.of(server, tail)));
  }

  private LlmClient client(Endpoint.Builder endpoint) {
    return loopback.client(
        ClientInternals.builder(time).endpoint(endpoint.build()).endpoint(template()));
  }

  private static Node.Script replying(String reply, Tail tail) {
    return (connection, request) -> {
      connection.send(reply);
      tail.send(connection);
    };
  }

  /** Lets what has been sent arrive, and then time pass until it is done. */
  private <T> T await(CompletableFuture<T> future) {
    for (Duration patience = Duration.ofMillis(100);
        !isDoneIn(future, patience);
        patience = Duration.ofMillis(5)) {
      time.advance(Duration.ofMillis(100));
    }
    return future.join();
  }

  private static boolean isDoneIn(CompletableFuture<?> future, Duration patience) {
    try {
      return future
          .handle((result, failure) -> true)
          .get(patience.toMillis(), TimeUnit.MILLISECONDS);
    } catch (InterruptedException | ExecutionException | TimeoutException e) {
      return false;
    }
  }

  @ParameterizedTest
  @MethodSource("endings")
  void whateverFollowsTheAnswerStands(Server server, Tail tail) {
    node.respondWith(replying(server.reply, tail));
    LlmClient client = client(server.at(node));

    for (int i = 0; i < 3; i++) {
      ChatResponse response = await(client.chatAsync(REQUEST));
      assertThat(response.text()).isEqualTo(TEXT);
      assertThat(response.endpoint()).isEqualTo("node");
      assertThat(response.attempts()).hasSize(1);
      assertThat(response.elapsed()).isLessThan(Duration.ofSeconds(2));
      Loopback.awaitSoon(() -> node.openConnections() == 0);
    }
    assertThat(primaryState(client)).isEqualTo(EndpointState.UP);
  }

  @ParameterizedTest
  @EnumSource
  void aStreamIsCompletedThen(Server server) {
    node.respondWith(replying(server.reply, Tail.SILENCE));
    LlmClient client = client(server.at(node));

    for (StreamRecovery recovery :
        List.of(StreamRecovery.RESTART, StreamRecovery.FAIL, StreamRecovery.HOLD)) {
      List<ChatEvent> events = await(CompletableFuture.supplyAsync(() -> events(client, recovery)));

      assertThat(events).hasSize(2);
      assertThat(events.get(0)).isInstanceOf(ChatEvent.TextDelta.class);
      assertThat(((ChatEvent.Completed) events.get(1)).response().text()).isEqualTo(TEXT);
    }
  }

  private static List<ChatEvent> events(LlmClient client, StreamRecovery recovery) {
    List<ChatEvent> events = new ArrayList<>();
    try (ChatStream stream = client.stream(REQUEST.toBuilder().onBrokenStream(recovery).build())) {
      stream.forEach(events::add);
    }
    return events;
  }

  @Test
  void noOtherClockTakesItBack() {
    node.respondWith(replying(Server.OPENAI.reply, Tail.SILENCE));
    Endpoint.Builder hurried =
        Server.OPENAI
            .at(node)
            .timeout(Duration.ofMillis(500))
            .stallTimeout(Duration.ofMillis(500))
            .minimumRate(1_000, Duration.ofMillis(1));
    LlmClient client = client(hurried);

    assertThat(await(client.chatAsync(REQUEST)).text()).isEqualTo(TEXT);
    ChatRequest urgent = REQUEST.toBuilder().deadline(Duration.ofMillis(700)).build();
    assertThat(await(client.chatAsync(urgent)).text()).isEqualTo(TEXT);
  }

  @ParameterizedTest
  @EnumSource
  void aReplyThatEndsProperlyTakesNoLongerAndKeepsItsConnection(Server server) {
    Set<Connection> connections = ConcurrentHashMap.newKeySet();
    node.respondWith(
        (connection, request) -> {
          connections.add(connection);
          connection.send(server.reply + OllamaReplies.LAST_CHUNK);
        });
    LlmClient client = client(server.at(node));

    for (int i = 0; i < 3; i++) {
      assertThat(client.chat(REQUEST).text()).isEqualTo(TEXT);
    }
    assertThat(connections).hasSize(1);
    assertThat(time.nanos()).isZero();
  }

  @Test
  void theReadersPauseIsNotCounted() {
    Semaphore rest = new Semaphore(0);
    String last =
        ServerReplies.openAiPiece(TEXT).replace("}}]}", "},\"finish_reason\":\"stop\"}]}");
    String usage = "{\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}";
    node.respondWith(
        (connection, request) -> {
          connection.send(
              ServerReplies.EVENTS_HEAD + OllamaReplies.chunk("data: " + last + "\n\n"));
          rest.acquireUninterruptibly();
          connection.send(
              OllamaReplies.chunk("data: " + usage + "\n\ndata: [DONE]\n\n")
                  + OllamaReplies.LAST_CHUNK);
        });
    try (ChatStream stream = client(Server.OPENAI.at(node)).stream(REQUEST)) {
      Iterator<ChatEvent> events = stream.iterator();
      assertThat(events.next()).isInstanceOf(ChatEvent.TextDelta.class);
      time.advance(Duration.ofSeconds(30));
      rest.release();

      assertThat(((ChatEvent.Completed) events.next()).response().usage())
          .isEqualTo(new Usage(3, 2));
    }
  }

  @Test
  void anErrorBehindItDoes() {
    String error = OllamaReplies.chunk("data: {\"error\":{\"message\":\"boom\"}}\n\n");
    node.respondWith(replying(Server.OPENAI.reply + error, Tail.SILENCE));

    ChatResponse response = await(client(Server.OPENAI.at(node)).chatAsync(REQUEST));

    assertThat(response.endpoint()).isEqualTo("template");
    assertThat(response.attempts().get(0).failure()).contains(FailureKind.STREAM_ERROR);
  }
}
