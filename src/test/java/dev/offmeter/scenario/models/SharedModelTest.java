// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.models;

import static dev.offmeter.testing.Loopback.awaitSoon;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.ChatEvent;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatStream;
import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import dev.offmeter.observe.EndpointChange;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.testing.ChangeRecorder;
import dev.offmeter.testing.Connection;
import dev.offmeter.testing.LoadingNode;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.SocketReader;
import dev.offmeter.testing.TwoNodes;
import java.io.IOException;
import java.time.Duration;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Semaphore;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.ValueSource;

/** A model that is listed while somebody else has it loaded, or uses it: only a load tells. */
@ParameterizedClass
@ValueSource(booleans = {true, false})
@Timeout(30)
class SharedModelTest {
  /** True for Ollama until 0.32, which lists a model while it loads it; false from 0.33 on. */
  @Parameter boolean listsLoads;

  @RegisterExtension final Loopback loopback = new Loopback();

  private static final ChatRequest REQUEST = ChatRequest.builder().user("a reminder").build();

  private final List<EndpointChange> changes = new CopyOnWriteArrayList<>();
  private final ManualTime time = loopback.manualTime();
  private final LoadingNode home =
      new LoadingNode(loopback, time, Duration.ofSeconds(20), Duration.ofMillis(500));
  private final TwoNodes nodes = TwoNodes.behind(home, loopback, time);
  private final Node fallback = nodes.fallback();
  private LlmClient client = client(endpoint -> endpoint);

  @BeforeEach
  void listModel() {
    home.listModelWhileLoading(listsLoads);
  }

  private LlmClient client(UnaryOperator<Endpoint.Builder> settings) {
    return loopback.client(nodes.builder(settings).listener(ChangeRecorder.recordInto(changes)));
  }

  private EndpointState state() {
    return TwoNodes.primaryState(client);
  }

  private void anotherClientLoadsIt() {
    client(endpoint -> endpoint).warmUp();
    awaitSoon(() -> home.loadsStarted() == 1);
  }

  /** Waits until this client's own load is late, and so is known to take long. */
  private void loadIsLate() {
    // If it is listed: the node's own clock, and that which watches the load. If not, that is
    // enough.
    awaitSoon(
        () ->
            home.loadRequests() == 2
                && (listsLoads ? time.pendingTasks() == 2 : state() == EndpointState.WARMING));
    time.advance(Duration.ofSeconds(2));
    awaitSoon(() -> state() == EndpointState.WARMING);
  }

  @Test
  void warmUpSendsNoCallToAModelThatAnotherClientHasLoaded() {
    anotherClientLoadsIt();
    CompletableFuture<?> warm = client.warmUp();

    loadIsLate();

    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("fallback");
    time.advance(Duration.ofSeconds(18));
    warm.join();
    assertThat(state()).isEqualTo(EndpointState.UP);
    assertThat(home.node().requests()).isEmpty();
    assertThat(home.loadsStarted()).isOne();
  }

  @Test
  void afterAnOutageNobodyTriesAModelThatAnotherClientLoads() {
    home.setOff(true);
    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("fallback");
    home.setOff(false);
    anotherClientLoadsIt();
    time.advance(Duration.ofMillis(1300));

    loadIsLate();

    assertThat(client.chat(REQUEST).endpoint()).isEqualTo("fallback");
    time.advance(Duration.ofSeconds(18));
    awaitSoon(() -> state() == EndpointState.UP);
    assertThat(home.node().requests()).as("the call that found it down").hasSize(1);
    assertThat(home.loadsStarted()).isOne();
  }

  @Test
  void aModelThatAnotherClientUsesWithAnotherContextIsSaidToBeThat() {
    String model = "{\"name\":\"home-model:latest\",\"context_length\":4096}";
    home.node()
        .respondToProbesWith(
            (connection, request) -> {
              switch (request.line().split(" ")[1]) {
                case "/api/version" -> answer("{\"version\":\"0.33.0\"}", connection, request);
                case "/api/ps" -> answer("{\"models\":[" + model + "]}", connection, request);
                default -> connection.hang();
              }
            });
    client = client(endpoint -> endpoint.option("num_ctx", 8192));
    CompletableFuture<?> unused = client.warmUp();
    awaitSoon(() -> home.node().loadRequests() == 1 && time.pendingTasks() == 1);
    time.advance(Duration.ofSeconds(2));
    awaitSoon(() -> state() == EndpointState.WARMING);

    assertThat(client.status().endpoints().get(0).message())
        .isEqualTo(
            "the model is in memory with a context of 4096 tokens and has to be loaded anew for a"
                + " num_ctx of 8192, which waits until nobody else uses it; use one num_ctx"
                + " everywhere");
  }

  private static void answer(String body, Connection connection, Connection.Request request)
      throws IOException {
    OllamaReplies.status(200, "application/json", body).answer(connection, request);
  }

  @Test
  void aNodeThatSendsTokensIsNotLoadingItsModel() throws Exception {
    client = client(e -> e.keepWarm(true).keepAlive(Duration.ofMinutes(1)));
    Semaphore tokens = new Semaphore(1);
    home.node()
        .respondToProbesWith(OllamaReplies.probes(OllamaReplies.hanging(), "home-model:latest"));
    home.node().respondWith(OllamaReplies.tokenByToken(tokens));
    try (ChatStream stream = client.stream(REQUEST)) {
      Iterator<ChatEvent> events = stream.iterator();
      events.next();
      time.advance(Duration.ofSeconds(30));
      awaitSoon(() -> home.node().loadRequests() == 1 && !time.isHealthChecking());
      CompletableFuture<ChatEvent> token = SocketReader.startReading(events::next);
      time.advance(Duration.ofMillis(1500));
      tokens.release();
      token.get();

      time.advance(Duration.ofMillis(500));

      checkOnceMore();
      assertThat(changes).isEmpty();
    }
  }

  /** Checks once more, by which time all that was due before is done. */
  private void checkOnceMore() {
    int probes = home.node().probes().size();
    client.warmUp();
    awaitSoon(() -> home.node().probes().size() > probes && !time.isHealthChecking());
  }
}
