// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.failover;

import static dev.offmeter.testing.Loopback.awaitSoon;
import static dev.offmeter.testing.Loopback.ollama;

import dev.offmeter.ChatRequest;
import dev.offmeter.LlmClient;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A client that is closed in the midst of everything, at nodes that do anything. */
@Timeout(20)
class CloseDuringCallsTest {
  @RegisterExtension final Loopback loopback = new Loopback();

  private static final ChatRequest REQUEST = ChatRequest.builder().user("a reminder").build();
  private static final int CALLERS = 8;

  /** A node that does one of many things at each request, and looks to be well at most checks. */
  private Node node(long seed) {
    Random dice = new Random(seed);
    List<Node.Script> calls =
        List.of(
            OllamaReplies.answering("an answer"),
            OllamaReplies.answering("an answer"),
            OllamaReplies.answering("an answer"),
            OllamaReplies.hanging(),
            OllamaReplies.status(500, "", ""),
            OllamaReplies.status(530, "text/plain", "error code: 1033"),
            OllamaReplies.status(429, "", "", "Retry-After: 1"),
            (connection, request) -> {
              connection.send(OllamaReplies.STREAM_HEAD + OllamaReplies.tokens("x"));
              connection.reset();
            });
    return loopback.node(anyOf(calls, dice)).respondToProbesWith(anyOf(probes(), dice));
  }

  private static List<Node.Script> probes() {
    List<Node.Script> probes = new ArrayList<>();
    for (int i = 0; i < 10; i++) {
      probes.add(OllamaReplies.probes(OllamaReplies.loadCompleted(), "m:latest"));
      probes.add(OllamaReplies.probes(OllamaReplies.loadCompleted()));
    }
    probes.add(OllamaReplies.status(503, "", ""));
    probes.add(OllamaReplies.hanging());
    return probes;
  }

  private static Node.Script anyOf(List<Node.Script> scripts, Random dice) {
    return (connection, request) ->
        scripts.get(dice.nextInt(scripts.size())).answer(connection, request);
  }

  private static CompletableFuture<Void> callsAtOnce(LlmClient client) {
    return CompletableFuture.allOf(
        Stream.generate(() -> client.chatAsync(REQUEST).handle((r, e) -> r))
            .limit(CALLERS)
            .toArray(CompletableFuture[]::new));
  }

  @RepeatedTest(10)
  void everyCallEndsAndNothingIsLeft(RepetitionInfo repetition) throws Exception {
    int seed = repetition.getCurrentRepetition();
    Node a = node(seed);
    Node b = node(-seed);
    LlmClient client =
        loopback.client(
            LlmClient.builder()
                .endpoint(ollama("a", a).model("m").maxConcurrent(1).build())
                .endpoint(ollama("b", b).model("m").maxConcurrent(1).build())
                .hedgeAfter(Duration.ofMillis(1))
                .maxHedgedShare(1));
    CompletableFuture<Void> calls = callsAtOnce(client);
    CompletableFuture<?> warm = client.warmUp();
    awaitSoon(() -> a.requests().size() + b.requests().size() >= seed % 3);

    client.close();

    calls.get(5, TimeUnit.SECONDS);
    warm.get(5, TimeUnit.SECONDS);
  }
}
