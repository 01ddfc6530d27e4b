// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.models;

import static dev.offmeter.testing.Loopback.awaitSoon;
import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ClientInternals;
import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.testing.LoadingNode;
import dev.offmeter.testing.LoggedEvents;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.ValueSource;

/** A server whose memory holds one model, which two want to be held there. */
@ParameterizedClass
@ValueSource(booleans = {true, false})
@Timeout(60)
class SingleModelServerTest {
  /** True for Ollama until 0.32, which lists a model while it loads it; false from 0.33 on. */
  @Parameter boolean listsLoads;

  @RegisterExtension final Loopback loopback = new Loopback();
  @RegisterExtension final LoggedEvents log = new LoggedEvents(Level.WARN);

  private static final ChatRequest REQUEST = ChatRequest.builder().user("a reminder").build();

  private ManualTime time;
  private LoadingNode home;

  @BeforeEach
  void start() {
    time = loopback.manualTime();
    home =
        new LoadingNode(loopback, time, Duration.ofSeconds(6), Duration.ofMillis(500))
            .listModelWhileLoading(listsLoads);
  }

  private Endpoint endpoint(String name, String model, int context) {
    return Endpoint.ollama(name, home.node().url())
        .model(model)
        .option("num_ctx", context)
        .keepWarm(true)
        .build();
  }

  private LlmClient client(Endpoint... endpoints) {
    LlmClient.Builder builder = ClientInternals.builder(time);
    List.of(endpoints).forEach(builder::endpoint);
    return loopback.client(builder);
  }

  private void pass(Duration duration) {
    for (long end = time.nanos() + duration.toNanos(); time.nanos() < end; ) {
      time.advance(Duration.ofSeconds(2));
      awaitSoon(() -> !time.isProbing() || home.isLoading());
    }
  }

  private List<String> warnings() {
    return log.messages().stream()
        .filter(line -> line.contains("OLLAMA_MAX_LOADED_MODELS"))
        .toList();
  }

  private static boolean isUp(LlmClient client) {
    return client.status().endpoints().stream()
        .allMatch(endpoint -> endpoint.state() == EndpointState.UP);
  }

  private ChatResponse answer(LlmClient client) throws Exception {
    return done(client.chatAsync(REQUEST)).get();
  }

  private CompletableFuture<ChatResponse> done(CompletableFuture<ChatResponse> call) {
    while (!call.isDone()) {
      awaitSoon(() -> call.isDone() || home.isLoading() || home.isAnswering());
      time.advance(Duration.ofMillis(500));
    }
    return call;
  }

  /**
   * A call every half minute, from one and then the other: without an end to it, a load for each.
   */
  private void noLongerPushEachOtherOut(LlmClient... clients) throws Exception {
    for (LlmClient client : clients) {
      client.warmUp();
      pass(Duration.ofSeconds(30));
    }
    for (int call = 0; call < 30 && warnings().size() < clients.length; call++) {
      CompletableFuture<ChatResponse> unused =
          done(clients[call % clients.length].chatAsync(REQUEST));
      pass(Duration.ofSeconds(30));
    }

    assertThat(warnings()).as("one for each that gives way").hasSizeBetween(1, 2);
    int asked = home.loadRequests();
    for (int call = 0; call < 8; call++) {
      LlmClient client = clients[call % clients.length];
      assertThat(answer(client).endpoint()).isIn("first", "second");
      pass(Duration.ofSeconds(30));
    }
    assertThat(home.loadRequests() - asked).as("loads in the background").isLessThanOrEqualTo(4);
  }

  @Test
  void twoModelsOfOneClientNoLongerPushEachOtherOut() throws Exception {
    noLongerPushEachOtherOut(client(endpoint("first", "a", 4096), endpoint("second", "b", 4096)));
  }

  @Test
  void twoClientsWithTwoModelsNoLongerPushEachOtherOut() throws Exception {
    noLongerPushEachOtherOut(
        client(endpoint("first", "a", 4096)), client(endpoint("first", "b", 4096)));
  }

  @Test
  void twoClientsWithTwoContextsNoLongerPushEachOtherOut() throws Exception {
    noLongerPushEachOtherOut(
        client(endpoint("first", "a", 4096)), client(endpoint("first", "a", 8192)));
  }

  @Test
  void oneModelAloneIsHeldAndNothingIsSaid() throws Exception {
    LlmClient client = client(endpoint("first", "a", 4096));
    client.warmUp();
    pass(Duration.ofMinutes(30));

    assertThat(warnings()).isEmpty();
    assertThat(home.loadsStarted()).isOne();
    assertThat(answer(client).endpoint()).isEqualTo("first");
  }

  @Test
  void whatIsMendedIsLoadedInTheBackgroundAgain() {
    LlmClient client = client(endpoint("first", "a", 4096));
    client.warmUp();
    pass(Duration.ofSeconds(10));
    for (int minute = 0; minute < 12; minute++) {
      home.unloadModel();
      pass(Duration.ofMinutes(1));
    }
    assertThat(warnings()).hasSize(1);
    int loads = home.loadsStarted();

    client.warmUp();
    pass(Duration.ofSeconds(30));

    assertThat(home.loadsStarted()).isEqualTo(loads + 1);
    assertThat(isUp(client)).as("%s", client.status()).isTrue();
  }
}
