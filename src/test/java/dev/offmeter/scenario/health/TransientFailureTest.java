// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.health;

import static dev.offmeter.testing.Loopback.awaitSoon;
import static dev.offmeter.testing.TwoNodes.primaryState;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.ChatRequest;
import dev.offmeter.Dialect;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.Locality;
import dev.offmeter.observe.EndpointChange;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.testing.ChangeRecorder;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.ServerReplies;
import dev.offmeter.testing.TwoNodes;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** An error of a gateway or router whose server has not started yet is an outage, and passes. */
@Timeout(20)
class TransientFailureTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final ChatRequest REQUEST = ChatRequest.builder().user("a reminder").build();
  private static final Node.Script NOT_FOUND =
      OllamaReplies.status(404, "text/plain; charset=utf-8", "404 page not found");
  private static final Node.Script NO_SUCH_MODEL =
      OllamaReplies.status(
          404, "application/json", "{\"error\":{\"message\":\"model 'm' not found\"}}");
  private static final Node.Script NO_SUCH_METHOD =
      OllamaReplies.status(405, "text/html", "<html>no");
  private static final Node.Script STILL_STARTING =
      OllamaReplies.status(
          500,
          "application/json",
          "{\"error\":{\"code\":500,\"message\":\"proxy error: Could not establish connection\","
              + "\"type\":\"server_error\"}}");
  private static final Node.Script WELL =
      OllamaReplies.status(200, "application/json", "{\"object\":\"list\",\"data\":[]}");
  private static final Node.Script OF_ANOTHER_MAKE = OllamaReplies.status(200, "text/plain", "{}");

  private final List<EndpointChange> changes = new CopyOnWriteArrayList<>();
  private final TwoNodes nodes = TwoNodes.inManualTime(loopback);
  private final ManualTime time = nodes.time();
  private final Node primary = nodes.primary().respondWith(ServerReplies.openAi("PRIMARY"));
  private final Node fallback = nodes.fallback();

  private LlmClient client(Endpoint.Builder endpoint) {
    return loopback.client(
        nodes.builder(endpoint.model("m")).listener(ChangeRecorder.recordInto(changes)));
  }

  private Endpoint.Builder openAi() {
    return Endpoint.openAi("primary", primary.url());
  }

  /** Moves time in steps, so that every health check has its reply. */
  private void pass(Duration duration) {
    for (long left = duration.toMillis(); left > 0; left -= 250) {
      time.advance(Duration.ofMillis(250));
      awaitSoon(() -> !time.isProbing());
    }
  }

  private static void isAsked(LlmClient client, String... endpoints) {
    for (String endpoint : endpoints) {
      assertThat(client.chat(REQUEST).endpoint()).isEqualTo(endpoint);
    }
  }

  private static Node.Script named(String name) {
    return switch (name) {
      case "path" -> NOT_FOUND;
      case "model" -> NO_SUCH_MODEL;
      default -> NO_SUCH_METHOD;
    };
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void aGatewayThatKnowsNoPathYetIsHealthCheckedUntilItDoes(boolean known) {
    primary.respondWith(NOT_FOUND);
    primary.respondToProbesWith(NOT_FOUND);
    LlmClient client = client(openAi());
    isAsked(client, "fallback");
    pass(Duration.ofSeconds(10));
    assertThat(primaryState(client)).isEqualTo(EndpointState.DOWN);

    primary.respondWith(ServerReplies.openAi("PRIMARY"));
    primary.respondToProbesWith(known ? WELL : OF_ANOTHER_MAKE);
    pass(Duration.ofMillis(1500));

    isAsked(client, "primary");
  }

  @ParameterizedTest
  @ValueSource(strings = {"path", "model", "method"})
  void whatHasAnsweredHasTheRightPathAndModelAndIsBackAtOnce(String missing) {
    primary.respondToProbesWith(WELL);
    LlmClient client = client(openAi());
    isAsked(client, "primary");
    primary.respondWith(named(missing));
    isAsked(client, "fallback", "fallback");
    assertThat(changes.get(0).backoff()).isLessThan(Duration.ofSeconds(3));

    primary.respondWith(ServerReplies.openAi("PRIMARY"));
    pass(Duration.ofMillis(1500));

    isAsked(client, "primary");
  }

  @Test
  void theSameHoldsForOllama() {
    primary.respondWith(OllamaReplies.answering("PRIMARY"));
    LlmClient client = client(Endpoint.ollama("primary", primary.url()));
    isAsked(client, "primary");
    primary.respondWith(NOT_FOUND);
    isAsked(client, "fallback");

    primary.respondWith(OllamaReplies.answering("PRIMARY"));
    primary.respondToProbesWith(OllamaReplies.probes(OllamaReplies.loadCompleted(), "m:latest"));
    pass(Duration.ofMillis(2500));

    isAsked(client, "primary");
  }

  @Test
  void aCheckThatWasKnownAndIsNotFoundKeepsItShut() {
    primary.respondToProbesWith(WELL);
    LlmClient client = client(openAi());
    isAsked(client, "primary");
    primary.respondWith(NOT_FOUND);
    isAsked(client, "fallback");
    pass(Duration.ofMillis(1250));
    int asked = primary.requests().size();
    isAsked(client, "fallback");
    assertThat(primary.requests()).as("believed once").hasSize(asked + 1);

    primary.respondToProbesWith(NOT_FOUND);
    pass(Duration.ofMinutes(2));
    isAsked(client, "fallback");

    assertThat(primary.requests()).hasSize(asked + 1);
  }

  @ParameterizedTest
  @CsvSource({"LLAMA_SERVER, 500", "GENERIC, 502", "LOCAL_AI, 503"})
  void aRouterWhoseOwnHealthIsWellIsTriedAgainSoon(Dialect dialect, int status) {
    primary.respondToProbesWith(WELL);
    primary.respondWith(
        status == 500 ? STILL_STARTING : OllamaReplies.status(status, "text/plain", "starting"));
    LlmClient client = client(openAi().dialect(dialect));
    isAsked(client, "fallback", "fallback");
    assertThat(primaryState(client)).isEqualTo(EndpointState.DOWN);

    primary.respondWith(ServerReplies.openAi("PRIMARY"));
    pass(Duration.ofMillis(2500));

    isAsked(client, "primary");
  }

  @Test
  void aLoadOfAMinuteCostsARouterNoLongBackOff() {
    primary.respondToProbesWith(WELL);
    primary.respondWith(STILL_STARTING);
    LlmClient client = client(openAi().dialect(Dialect.LLAMA_SERVER));
    for (int second = 0; second < 60; second++) {
      isAsked(client, "fallback");
      pass(Duration.ofSeconds(1));
    }
    assertThat(primary.requests()).hasSizeBetween(5, 8);

    // The pause that has begun by now is of 32 s, or of 64 s by jitter, and a fifth more at most.
    primary.respondWith(ServerReplies.openAi("PRIMARY"));
    pass(Duration.ofSeconds(78));

    isAsked(client, "primary");
  }

  @Test
  void aFailureThatTookLongHasTheLongBackOff() {
    primary.respondToProbesWith(WELL);
    primary.respondWith(
        (connection, request) -> {
          time.advance(Duration.ofSeconds(1));
          STILL_STARTING.answer(connection, request);
        });
    LlmClient client = client(openAi());

    isAsked(client, "fallback", "fallback");

    assertThat(changes.get(0).backoff()).isGreaterThan(Duration.ofSeconds(11));
  }

  @Test
  void somebodyElsesServerIsNotAskedSooner() {
    LlmClient client = client(openAi().locality(Locality.MANAGED));
    isAsked(client, "primary");
    primary.respondWith(NO_SUCH_MODEL);
    isAsked(client, "fallback");

    assertThat(changes.get(0).backoff()).isBetween(Duration.ofSeconds(12), Duration.ofSeconds(18));
  }

  @Test
  void aGatewayWhoseHealthPathIsThereFirstIsTriedAgainSoon() {
    primary.respondWith(NOT_FOUND);
    primary.respondToProbesWith(NOT_FOUND);
    LlmClient client = client(openAi());
    isAsked(client, "fallback");
    pass(Duration.ofMillis(1500));
    primary.respondToProbesWith(WELL);
    pass(Duration.ofMillis(1500));
    assertThat(client.chat(REQUEST).attempts().get(0).failure())
        .contains(FailureKind.PATH_NOT_FOUND);

    primary.respondWith(ServerReplies.openAi("PRIMARY"));
    pass(Duration.ofSeconds(5));

    isAsked(client, "primary");
  }

  @Test
  void aModelThatComesToBeListedIsThere() {
    primary.respondWith(NO_SUCH_MODEL);
    primary.respondToProbesWith(listing("another"));
    LlmClient client = client(openAi());
    isAsked(client, "fallback");
    pass(Duration.ofSeconds(20));
    assertThat(primaryState(client)).isEqualTo(EndpointState.DOWN);

    primary.respondWith(ServerReplies.openAi("PRIMARY"));
    primary.respondToProbesWith(listing("another\"},{\"id\":\"m"));
    pass(Duration.ofSeconds(2));

    isAsked(client, "primary");
  }

  /** A server may know a model by more names than it lists. */
  @Test
  void aListWithoutTheModelKeepsNothingShutThatWasDownForAnotherCause() {
    primary.respondWith(OllamaReplies.status(530, "text/plain", "error code: 1033"));
    primary.respondToProbesWith(listing("another"));
    LlmClient client = client(openAi());
    isAsked(client, "fallback");

    primary.respondWith(ServerReplies.openAi("PRIMARY"));
    pass(Duration.ofSeconds(2));

    isAsked(client, "primary");
  }

  private static Node.Script listing(String id) {
    return OllamaReplies.status(
        200, "application/json", "{\"object\":\"list\",\"data\":[{\"id\":\"" + id + "\"}]}");
  }

  @Test
  void theTitleOfAPageAtAWrongPathIsShownWithThePath() {
    primary.respondWith(
        OllamaReplies.status(404, "text/html", "<html><title>404 Not Found</title></html>"));

    assertThat(client(openAi().path("/no/such")).chat(REQUEST).attempts().get(0).message())
        .isEqualTo("an HTML page titled \"404 Not Found\" (asked for /no/such)");
  }
}
