// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.failover;

import static dev.offmeter.testing.Loopback.ollama;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.offmeter.Attempt;
import dev.offmeter.ChatEvent;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.LlmException;
import dev.offmeter.StreamRecovery;
import dev.offmeter.testing.Connection;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.TwoNodes;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Each way in which a node can fail, at each moment of a reply. */
@Timeout(20)
class FaultPhaseTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private final TwoNodes nodes = TwoNodes.inRealTime(loopback);
  private final Node primary = nodes.primary();
  private final Node fallback = nodes.fallback();

  /** The first call of a process loads classes for longer than these tests wait. */
  @BeforeEach
  void warmUp() {
    Node node = loopback.node(OllamaReplies.answering("warm"));
    loopback
        .client(LlmClient.builder().endpoint(ollama("warm", node).build()))
        .chat("are you there");
  }

  /** The progress of the reply when the fault strikes. */
  enum Phase {
    BEFORE_HEADERS("", false),
    AFTER_HEADERS(OllamaReplies.STREAM_HEAD, false),
    AFTER_FIRST_TOKEN(OllamaReplies.STREAM_HEAD + OllamaReplies.tokens("PRIMARY"), true),
    IN_THE_MIDDLE_OF_A_LINE(
        OllamaReplies.STREAM_HEAD
            + OllamaReplies.tokens("PRIMARY", " one", " two")
            + OllamaReplies.chunk(
                "{\"model\":\"served\",\"message\":{\"role\":\"assistant\",\"content\":\""),
        true),
    BEFORE_THE_END_MARKER(
        OllamaReplies.STREAM_HEAD + OllamaReplies.tokens("PRIMARY", " one", " two", " three"),
        true);

    final String sent;

    /** True if the reader of a stream has seen some of the reply. */
    final boolean shows;

    Phase(String sent, boolean shows) {
      this.sent = sent;
      this.shows = shows;
    }
  }

  enum Fault {
    HANG(true) {
      @Override
      void strike(Connection connection) throws IOException {
        connection.hang();
      }
    },
    CLOSE(false) {
      @Override
      void strike(Connection connection) throws IOException {
        connection.close();
      }
    },
    RESET(false) {
      @Override
      void strike(Connection connection) throws IOException {
        connection.reset();
      }
    },
    CLEAN_END(false) {
      @Override
      void strike(Connection connection) throws IOException {
        connection.send(OllamaReplies.LAST_CHUNK);
      }
    },
    ERROR_LINE(false) {
      @Override
      void strike(Connection connection) throws IOException {
        connection.send(
            OllamaReplies.chunk(
                    "{\"error\":\"an error was encountered while running the model\"}\n")
                + OllamaReplies.LAST_CHUNK);
      }
    },
    HTML(false) {
      @Override
      void strike(Connection connection) throws IOException {
        connection.send(
            OllamaReplies.chunk("<!DOCTYPE html><title>502 Bad Gateway</title>")
                + OllamaReplies.LAST_CHUNK);
      }
    },
    BROKEN_JSON(false) {
      @Override
      void strike(Connection connection) throws IOException {
        connection.send(OllamaReplies.chunk("]} nonsense\n") + OllamaReplies.LAST_CHUNK);
      }
    },
    BROKEN_CHUNKING(false) {
      @Override
      void strike(Connection connection) throws IOException {
        connection.send("zz\r\n");
        connection.close();
      }
    },
    BLANK_LINES_THEN_HANG(true) {
      @Override
      void strike(Connection connection) throws IOException {
        connection.send(OllamaReplies.chunk("\n\n\n"));
        connection.hang();
      }
    };

    final boolean neverEnds;

    Fault(boolean neverEnds) {
      this.neverEnds = neverEnds;
    }

    abstract void strike(Connection connection) throws IOException;
  }

  static List<Arguments> everyFaultInEveryPhase() {
    List<Arguments> all = new ArrayList<>();
    for (Phase phase : Phase.values()) {
      for (Fault fault : Fault.values()) {
        all.add(Arguments.of(fault, phase));
      }
    }
    return all;
  }

  private static Node.Script failing(Fault fault, Phase phase) {
    return (connection, request) -> {
      connection.send(phase.sent);
      fault.strike(connection);
    };
  }

  @ParameterizedTest(name = "{0} {1}")
  @MethodSource("everyFaultInEveryPhase")
  void theFallbackAnswersAlone(Fault fault, Phase phase) {
    primary.respondWith(failing(fault, phase));
    fallback.respondWith(OllamaReplies.answering("FALLBACK", " answers"));
    LlmClient client = impatientClient();

    ChatResponse response = client.chat("draft a reminder");

    assertThat(response.text()).isEqualTo("FALLBACK answers");
    assertThat(response.endpoint()).isEqualTo("fallback");
    assertThat(response.attempts())
        .extracting(Attempt::endpoint)
        .containsExactly("primary", "fallback");
    assertThat(response.attempts().get(0).failure()).isPresent();
    assertThat(response.attempts().get(0).message()).isNotBlank();
    assertThat(response.attempts().get(1).failure()).isEmpty();
    assertThat(primary.requests()).as("asked once, not twice").hasSize(1);
    if (fault.neverEnds) {
      await().atMost(Duration.ofSeconds(1)).until(() -> primary.openConnections() == 0);
    }
  }

  @ParameterizedTest(name = "{0} {1}")
  @MethodSource("everyFaultInEveryPhase")
  void aStreamThatRestartsSaysSo(Fault fault, Phase phase) {
    Read read = read(fault, phase, StreamRecovery.RESTART);

    assertThat(read.failure).isNull();
    assertThat(read.text).hasToString("FALLBACK answers");
    assertThat(read.response.text()).isEqualTo("FALLBACK answers");
    assertThat(read.restarts).isEqualTo(phase.shows ? 1 : 0);
  }

  @ParameterizedTest(name = "{0} {1}")
  @MethodSource("everyFaultInEveryPhase")
  void aStreamThatMayNotRestartFailsWithWhatItHasShown(Fault fault, Phase phase) {
    Read read = read(fault, phase, StreamRecovery.FAIL);

    if (phase.shows) {
      assertThat(read.response).isNull();
      assertThat(read.failure.partialText()).startsWith("PRIMARY").isEqualTo(read.text.toString());
      assertThat(read.failure.attempts()).hasSize(1);
    } else {
      assertThat(read.text).hasToString("FALLBACK answers");
    }
  }

  @ParameterizedTest(name = "{0} {1}")
  @MethodSource("everyFaultInEveryPhase")
  void aStreamThatIsHeldShowsNothingOfAFailure(Fault fault, Phase phase) {
    Read read = read(fault, phase, StreamRecovery.HOLD);

    assertThat(read.failure).isNull();
    assertThat(read.text).hasToString("FALLBACK answers");
    assertThat(read.restarts).isZero();
  }

  /** The text, restarts and ending that a reader who keeps to the rules has seen. */
  private static final class Read {
    final StringBuilder text = new StringBuilder();
    int restarts;
    ChatResponse response;
    LlmException failure;

    void take(ChatEvent event) {
      if (event instanceof ChatEvent.TextDelta delta) {
        assertThat(response).as("nothing after the end").isNull();
        text.append(delta.text());
      } else if (event instanceof ChatEvent.Restarted restarted) {
        assertThat(restarted.discardText()).isEqualTo(text.length());
        text.setLength(0);
        restarts++;
      } else if (event instanceof ChatEvent.Completed completed) {
        response = completed.response();
      }
    }
  }

  private Read read(Fault fault, Phase phase, StreamRecovery recovery) {
    primary.respondWith(failing(fault, phase));
    fallback.respondWith(OllamaReplies.answering("FALLBACK", " answers"));
    LlmClient client = impatientClient();
    Read read = new Read();
    ChatRequest request =
        ChatRequest.builder().user("draft a reminder").onBrokenStream(recovery).build();
    try (ChatStream stream = client.stream(request)) {
      stream.forEach(read::take);
    } catch (LlmException e) {
      read.failure = e;
    }
    assertThat(primary.requests()).as("asked once, not twice").hasSize(1);
    if (fault.neverEnds) {
      await().atMost(Duration.ofSeconds(1)).until(() -> primary.openConnections() == 0);
    }
    return read;
  }

  @ParameterizedTest
  @EnumSource(Fault.class)
  void afterTheEndMarkerNothingOfAStreamIsLost(Fault fault) {
    primary.respondWith(
        (connection, request) -> {
          connection.send(
              OllamaReplies.STREAM_HEAD
                  + OllamaReplies.tokens("PRIMARY")
                  + OllamaReplies.end("stop", 1));
          fault.strike(connection);
        });
    LlmClient client = impatientClient();

    try (ChatStream stream = client.stream(ChatRequest.builder().user("draft").build())) {
      assertThat(stream.response().text()).isEqualTo("PRIMARY");
    }
    assertThat(fallback.requests()).isEmpty();
  }

  @ParameterizedTest
  @EnumSource(Fault.class)
  void afterTheEndMarkerNothingIsLost(Fault fault) {
    primary.respondWith(
        (connection, request) -> {
          connection.send(
              OllamaReplies.STREAM_HEAD
                  + OllamaReplies.tokens("PRIMARY")
                  + OllamaReplies.end("stop", 1));
          fault.strike(connection);
        });
    LlmClient client = impatientClient();

    assertThat(client.chat("draft a reminder").text()).isEqualTo("PRIMARY");
    assertThat(fallback.requests()).isEmpty();
  }

  @ParameterizedTest
  @EnumSource(Phase.class)
  void aHangIsNamedForItsPhase(Phase phase) {
    primary.respondWith(failing(Fault.HANG, phase));
    LlmClient client =
        nodes.client(
            primary ->
                primary
                    .timeout(Duration.ofSeconds(15))
                    .firstTokenTimeout(Duration.ofMillis(150))
                    .stallTimeout(Duration.ofMillis(150)));

    Set<Phase> silent = EnumSet.of(Phase.BEFORE_HEADERS, Phase.AFTER_HEADERS);
    assertThat(client.chat("draft a reminder").attempts().get(0).failure())
        .contains(silent.contains(phase) ? FailureKind.FIRST_TOKEN_TIMEOUT : FailureKind.STALLED);
  }

  private LlmClient impatientClient() {
    return nodes.client(
        primary -> primary.timeout(Duration.ofMillis(300)).stallTimeout(Duration.ofMillis(300)));
  }
}
