// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.limits;

import static dev.offmeter.testing.Loopback.ollama;
import static dev.offmeter.testing.TwoNodes.primaryState;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ch.qos.logback.classic.Level;
import dev.offmeter.ChatEvent;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.LlmException;
import dev.offmeter.Locality;
import dev.offmeter.StreamRecovery;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.observe.Runaway;
import dev.offmeter.testing.LoggedEvents;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.ProtocolReplies;
import dev.offmeter.testing.TwoNodes;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** An answer that repeats itself is stopped while it comes. */
@Timeout(30)
class RepetitionTest {
  private static final String SENTENCE = "Thank you for your patience in this matter. ";
  private static final String HEAD = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
  private static final ChatRequest REQUEST = ChatRequest.builder().user("draft").build();

  @RegisterExtension final Loopback loopback = new Loopback();
  @RegisterExtension final LoggedEvents log = new LoggedEvents(Level.WARN);

  private final TwoNodes nodes = TwoNodes.inRealTime(loopback);
  private final Node node = nodes.primary();

  /** Sends the piece until the client hangs up. */
  private static Node.Script forEver(String begin, String piece) {
    return (connection, request) -> {
      connection.send(HEAD + begin);
      while (true) {
        connection.send(piece);
      }
    };
  }

  /** A whole answer that says the same sentence so many times. */
  private static Node.Script saying(int times) {
    return OllamaReplies.answering("Dear Zoe, " + SENTENCE.repeat(times));
  }

  private static void isStopped(ChatResponse response) {
    assertThat(response.text()).isEqualTo("FALLBACK");
    assertThat(response.attempts().get(0).failure()).contains(FailureKind.RUNAWAY);
    assertThat(response.attempts().get(0).message()).contains("repeats itself");
    assertThat(response.attempts().get(0).status()).hasValue(200);
  }

  @ParameterizedTest
  @EnumSource(ProtocolReplies.class)
  void theNextEndpointAnswersInstead(ProtocolReplies spoken) {
    node.respondWith(forEver("", spoken.textDelta(SENTENCE)));
    LlmClient client =
        nodes.client(spoken.endpoint("node", node.url()).locality(Locality.SELF_HOSTED));

    isStopped(client.chat(REQUEST));
    try (ChatStream stream = client.stream(REQUEST)) {
      isStopped(stream.response());
    }
  }

  @ParameterizedTest
  @EnumSource(ProtocolReplies.class)
  void soItDoesWhenTheThinkingRepeatsItself(ProtocolReplies spoken) {
    node.respondWith(forEver("", spoken.thinkingDelta(SENTENCE)));
    LlmClient client =
        nodes.client(spoken.endpoint("node", node.url()).locality(Locality.SELF_HOSTED));

    ChatResponse response = client.chat(REQUEST);
    isStopped(response);
    assertThat(response.attempts().get(0).message())
        .isEqualTo(
            "the thinking repeats itself: the same 44 characters came 4 times in a row, after 176"
                + " characters in all");
  }

  @Test
  void aWholeAnswerThatEndsInARepetitionIsNoneAndOneWithThreeIs() {
    LlmClient client = nodes.client();

    node.respondWith(saying(4));
    isStopped(client.chat(REQUEST));
    node.respondWith(saying(3));
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("primary");
  }

  @Test
  void aStreamThatMustNotStartAgainEndsWithThePartialText() {
    node.respondWith(
        forEver(
            ProtocolReplies.OLLAMA.textDelta("Dear Zoe, "),
            ProtocolReplies.OLLAMA.textDelta(SENTENCE)));
    ChatRequest fail = REQUEST.toBuilder().onBrokenStream(StreamRecovery.FAIL).build();

    try (ChatStream stream = nodes.client().stream(fail)) {
      assertThatThrownBy(stream::response)
          .isInstanceOfSatisfying(
              LlmException.class,
              e -> {
                assertThat(e.failure()).contains(FailureKind.RUNAWAY);
                assertThat(e.partialText()).startsWith("Dear Zoe, " + SENTENCE);
                assertThat(e.partialText().length()).isLessThan(10 + 5 * SENTENCE.length());
              });
    }
    assertThat(nodes.fallback().requests()).isEmpty();
  }

  @Test
  void aStreamThatMayStartAgainTellsItsReader() {
    node.respondWith(forEver("", ProtocolReplies.OLLAMA.textDelta(SENTENCE)));

    try (ChatStream stream = nodes.client().stream(REQUEST)) {
      List<ChatEvent> events = new ArrayList<>();
      stream.forEach(events::add);
      assertThat(events).hasAtLeastOneElementOfType(ChatEvent.Restarted.class);
    }
  }

  @Test
  void itIsNotHeldAgainstTheEndpoint() {
    node.respondWith(saying(5));
    LlmClient client = nodes.client();

    for (int i = 0; i < 10; i++) {
      isStopped(client.chat(REQUEST));
    }
    assertThat(primaryState(client)).isEqualTo(EndpointState.UP);
  }

  @Test
  void aRequestMayAllowIt() {
    node.respondWith(saying(5));
    ChatRequest litany = REQUEST.toBuilder().allowRepetition().build();

    assertThat(nodes.client().chat(litany).endpoint()).isEqualTo("primary");
    assertThat(nodes.client().chat(litany.toBuilder().build()).endpoint()).isEqualTo("primary");
    LlmClient always =
        loopback.client(nodes.builder().defaults(ChatRequest.Builder::allowRepetition));
    assertThat(always.chat(REQUEST).endpoint()).isEqualTo("primary");
  }

  @Test
  void anEndpointMaySayOtherwiseAndAManagedOneDoes() {
    node.respondWith(saying(5));
    Endpoint.Builder endpoint = ollama("primary", node);

    assertThat(nodes.client(endpoint.stopRepetition(false)).chat(REQUEST).endpoint())
        .isEqualTo("primary");
    Endpoint.Builder managed = ollama("primary", node).locality(Locality.MANAGED);
    assertThat(nodes.client(managed).chat(REQUEST).endpoint()).isEqualTo("primary");
    isStopped(nodes.client(managed.stopRepetition(true)).chat(REQUEST));
  }

  @Test
  void aVariableSaysSoToo() {
    node.respondWith(saying(5));
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .fromEnv(
                    Map.of(
                        "OFFMETER_ENDPOINTS_0_URL",
                        node.url(),
                        "OFFMETER_ENDPOINTS_0_STOPREPETITION",
                        "false")));

    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("endpoint-0");
  }

  @Test
  void theArgumentsOfToolsAreNotSearched() {
    String call = "{\"text\":\"" + SENTENCE.repeat(6) + "\"}";
    node.respondWith(
        (connection, request) -> {
          connection.send(HEAD + ProtocolReplies.OLLAMA.toolCall("send", call));
          connection.send(
              "{\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\"}\n");
          connection.close();
        });
    ChatRequest tools = REQUEST.toBuilder().tool("send", "sends", "{\"type\":\"object\"}").build();

    assertThat(nodes.client().chat(tools).toolCalls()).hasSize(1);
  }

  @Test
  void listenersAndTheLogHearOfItOnceForTheAttempt() {
    List<Runaway> heard = new ArrayList<>();
    LlmListener throwing =
        new LlmListener() {
          @Override
          public void onRunawayStopped(long call, Runaway runaway) {
            heard.add(runaway);
            throw new IllegalStateException("of the listener");
          }
        };
    LlmClient client = loopback.client(nodes.builder().listener(throwing));

    node.respondWith(saying(4));
    isStopped(client.chat(REQUEST));
    assertThat(heard)
        .containsExactly(new Runaway("primary", node.url(), Runaway.Kind.REPETITION, 10 + 4 * 44));
    node.respondWith(forEver("", ProtocolReplies.OLLAMA.textDelta("so on ")));
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("fallback");
    assertThat(heard).hasSize(2);
    assertThat(heard.get(1).kind()).isEqualTo(Runaway.Kind.BEYOND_LIMIT);
    assertThat(log.messages().stream().filter(line -> line.contains("RUNAWAY")))
        .containsExactly(
            "an answer of endpoint primary at "
                + node.url()
                + " was stopped after 186 characters (RUNAWAY): it repeated itself; see"
                + " docs/troubleshooting.md#runaway",
            "an answer of endpoint primary at "
                + node.url()
                + " was stopped after "
                + heard.get(1).characters()
                + " characters (RUNAWAY): it went on after maxTokens; see"
                + " docs/troubleshooting.md#runaway");
  }
}
