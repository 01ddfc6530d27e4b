// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.failover;

import static dev.offmeter.testing.Loopback.ollama;
import static dev.offmeter.testing.TwoNodes.template;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.offmeter.Capability;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatStream;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.Locality;
import dev.offmeter.observe.Explanation;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.TwoNodes;
import java.lang.reflect.Proxy;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A plan says which endpoints a call would ask, as the call then does, and asks nobody. */
class ExplainTest {
  @RegisterExtension final Loopback loopback = new Loopback();
  private final TwoNodes nodes = TwoNodes.inManualTime(loopback);

  private static ChatRequest request() {
    return ChatRequest.builder().user("canary-prompt").build();
  }

  private static Explanation.Entry first(LlmClient client, ChatRequest request) {
    return client.explain(request).endpoints().get(0);
  }

  private static Optional<FailureKind> skippedFor(LlmClient client) {
    return first(client, request()).skippedFor();
  }

  /** Checks that the call skips its first endpoint for the reason that the plan gives. */
  private static void assertSkips(LlmClient client, ChatRequest request, FailureKind kind) {
    Explanation.Entry planned = first(client, request);
    assertThat(planned.skippedFor()).contains(kind);
    assertThat(planned.isAsked()).isFalse();
    assertThat(client.chat(request).attempts().get(0).failure()).contains(kind);
    assertThat(client.chat(request).attempts().get(0).message()).isEqualTo(planned.message());
  }

  @Test
  void everyEndpointThatCanServeIsAskedInOrder() {
    LlmClient client = loopback.client(nodes.builder().endpoint(template()));

    assertThat(client.explain(request()).endpoints())
        .containsExactly(
            new Explanation.Entry("primary", "primary-model", Optional.empty(), ""),
            new Explanation.Entry("fallback", "fallback-model", Optional.empty(), ""),
            new Explanation.Entry("template", "", Optional.empty(), ""));
  }

  @Test
  void aLocalityThatIsNotPermittedIsSkipped() {
    LlmClient client = nodes.client(primary -> primary.locality(Locality.MANAGED));
    ChatRequest request = request().toBuilder().selfHostedOnly().build();
    assertSkips(client, request, FailureKind.NOT_PERMITTED);
  }

  @Test
  void aCapabilityThatLacksIsSkippedAlsoOneOfTheDefaults() {
    LlmClient client =
        loopback.client(
            nodes
                .builder(primary -> primary.capability(Capability.TOOLS, false))
                .defaults(request -> request.requires(Capability.TOOLS)));
    assertSkips(client, request(), FailureKind.NOT_CAPABLE);
  }

  @Test
  void aContextThatIsTooSmallIsSkipped() {
    LlmClient client = nodes.client(primary -> primary.contextLength(10));
    ChatRequest request = ChatRequest.builder().user("x".repeat(1281)).build();
    assertSkips(client, request, FailureKind.NOT_CAPABLE);
  }

  @Test
  void anEndpointThatIsDownIsSkippedUntilItsTrialIsDue() {
    LlmClient client = nodes.client(primary -> primary.locality(Locality.MANAGED));
    nodes.primary().close();
    client.chat(request());
    assertSkips(client, request(), FailureKind.CIRCUIT_OPEN);
    Explanation.Entry planned = first(client, request());
    assertThat(planned.message()).contains("CONNECTION_REFUSED");

    nodes.time().advance(Duration.ofMinutes(30));
    assertThat(skippedFor(client)).isEmpty();
    assertThat(skippedFor(client)).as("the plan takes no trial").isEmpty();
  }

  @Test
  void anEndpointOnTrialIsSkippedUntilTheTrialIsGivenUp() throws Exception {
    LlmClient client = nodes.client(primary -> primary.locality(Locality.MANAGED));
    nodes.primary().respondWith(OllamaReplies.status(401, "application/json", "{}"));
    client.chat(request());
    nodes.primary().respondWith(OllamaReplies.hanging());
    client.recheck("primary").join();
    assertThat(skippedFor(client)).isEmpty();

    int before = nodes.primary().requests().size();
    CompletableFuture<?> trial = client.chatAsync(request());
    Loopback.awaitSoon(() -> nodes.primary().requests().size() > before);
    assertSkips(client, request(), FailureKind.CIRCUIT_OPEN);

    trial.cancel(true);
    Loopback.awaitSoon(() -> skippedFor(client).isEmpty());
  }

  @Test
  void aFullEndpointIsSkippedUnlessTheCallWaitsForASlot() {
    LlmClient full = nodes.client(primary -> primary.maxConcurrent(1));
    LlmClient waiting =
        nodes.client(primary -> primary.maxConcurrent(1).maxWait(Duration.ofSeconds(2)));
    try (ChatStream one = full.stream(request());
        ChatStream other = waiting.stream(request())) {
      assertThat(one.iterator().next()).isNotNull();
      assertThat(other.iterator().next()).isNotNull();
      assertSkips(full, request(), FailureKind.BULKHEAD_FULL);
      assertThat(first(waiting, request()))
          .isEqualTo(
              new Explanation.Entry(
                  "primary", "primary-model", Optional.empty(), "waits up to 2000 ms for a slot"));
    }
    assertThat(skippedFor(full)).isEmpty();
  }

  @Test
  void anEndpointWhoseRequestsAreUsedUpIsSkippedAndAPlanUsesNone() {
    LlmClient client = nodes.client(primary -> primary.requestsPerMinute(1));
    assertThat(skippedFor(client)).isEmpty();
    assertThat(skippedFor(client)).isEmpty();
    assertThat(client.chat(request()).text()).isEqualTo("PRIMARY");
    assertSkips(client, request(), FailureKind.CLIENT_RATE_LIMITED);
  }

  @Test
  void nobodyIsAskedAndNoListenerHearsOfIt() {
    List<String> heard = new CopyOnWriteArrayList<>();
    LlmListener listener =
        (LlmListener)
            Proxy.newProxyInstance(
                LlmListener.class.getClassLoader(),
                new Class<?>[] {LlmListener.class},
                (proxy, method, arguments) -> {
                  if (method.getName().equals("forClient")) {
                    return proxy;
                  }
                  heard.add(method.getName());
                  return null;
                });
    LlmClient client =
        loopback.client(nodes.builder(primary -> primary.maxConcurrent(1)).listener(listener));

    client.explain(request());

    assertThat(heard).isEmpty();
    assertThat(nodes.primary().openConnections()).isZero();
    assertThat(nodes.primary().requests()).isEmpty();
    assertThat(nodes.primary().probes()).isEmpty();
    assertThat(client.status().endpoints().get(0).asked()).isFalse();
    assertThat(client.status().endpoints().get(0).inFlight()).isZero();
    client.close();
    assertThat(catchThrowable(() -> client.explain(request()))).isNull();
  }

  @Test
  void thePlanIsATableWithoutThePrompt() {
    Node managed = loopback.node(OllamaReplies.answering("MANAGED"));
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(ollama("node", managed).capabilities(Capability.TOOLS).build())
                .endpoint(ollama("reserve", managed).model("large-model").build())
                .endpoint(Endpoint.local("template", request -> "T").build()));

    assertThat(client.explain(request().toBuilder().requires(Capability.VISION).build()))
        .hasToString(
            """
            endpoint  model        plan     why
            node      node-model   skipped  NOT_CAPABLE: the request requires VISION, which the endpoint is declared to lack
            reserve   large-model  asked
            template  -            asked""");
  }
}
