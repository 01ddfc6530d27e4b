// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.security;

import static dev.offmeter.testing.TwoNodes.template;

import dev.offmeter.Attempt;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.StreamRecovery;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.ProtocolReplies;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/**
 * A process in which calls meet all {@link EndlessResponse} servers, those of four protocols at
 * once. Prints a line that begins with WRONG for each call that its fallback did not answer, or
 * whose endpoint failed for another reason than what the server sent.
 */
final class EndlessResponseProgram {
  private static final Duration LONG = Duration.ofSeconds(60);

  /** The most bytes of heap that may stay in use: a class path, some threads, and pools. */
  private static final long MOST_LEFT = 48L << 20;

  private static final int CROWD = 12;

  private static final ChatRequest REQUEST =
      ChatRequest.builder()
          .user("draft a reminder")
          .maxTokens(1_000_000)
          .tool("get_weather", "the weather", "{\"type\":\"object\"}")
          .build();

  private final Map<ProtocolReplies, List<EndlessResponse>> all =
      new EnumMap<>(ProtocolReplies.class);
  private final ExecutorService callers = Executors.newCachedThreadPool();
  private final Loopback loopback = new Loopback();
  private boolean wrong;

  private EndlessResponseProgram() {
    for (ProtocolReplies spoken : ProtocolReplies.values()) {
      all.put(spoken, EndlessResponse.all(spoken));
    }
  }

  private List<EndlessResponse> all(ProtocolReplies spoken) {
    return Objects.requireNonNull(all.get(spoken));
  }

  public static void main(String[] args) throws Exception {
    EndlessResponseProgram servers = new EndlessResponseProgram();
    servers.meetAll(args.length == 0 ? 0 : Integer.parseInt(args[0]));
    servers.crowd();
    servers.callers.shutdown();
    boolean unused = servers.callers.awaitTermination(10, TimeUnit.SECONDS);
    System.gc();
    Runtime heap = Runtime.getRuntime();
    long left = heap.totalMemory() - heap.freeMemory();
    System.out.println("left: " + (left >> 20) + " MiB of " + (heap.maxMemory() >> 20));
    if (left > MOST_LEFT) {
      servers.tell("memory is left: " + left);
    }
    System.exit(servers.wrong ? 1 : 0);
  }

  private void meetAll(int from) throws Exception {
    int kinds = all(ProtocolReplies.OLLAMA).size();
    for (int kind = from; kind < kinds; kind++) {
      long since = System.nanoTime();
      meet(kind);
      System.out.println(
          all(ProtocolReplies.OLLAMA).get(kind)
              + ": "
              + TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - since)
              + " ms");
    }
  }

  /** Many calls at once at one that fills a heap the most. */
  private void crowd() throws Exception {
    for (String name :
        List.of(
            "a line",
            "empty objects",
            "properties",
            "values in arguments",
            "data without an end",
            "large pieces",
            "large calls")) {
      List<Callable<Void>> calls = new ArrayList<>();
      List<AutoCloseable> ends = new ArrayList<>();
      for (ProtocolReplies spoken : ProtocolReplies.values()) {
        EndlessResponse hostile =
            all(spoken).stream().filter(h -> h.name().equals(name)).findFirst().get();
        Node node = loopback.node(hostile.script());
        for (int i = 0; i < CROWD; i++) {
          LlmClient client = client(spoken, node, false);
          ends.add(client);
          calls.add(() -> judge(spoken + ", a crowd at " + name + ": ", client.chat(REQUEST)));
        }
        ends.add(node);
      }
      run(name, calls, ends);
    }
  }

  private void meet(int kind) throws Exception {
    List<Callable<Void>> calls = new ArrayList<>();
    List<AutoCloseable> ends = new ArrayList<>();
    for (ProtocolReplies spoken : ProtocolReplies.values()) {
      EndlessResponse hostile = all(spoken).get(kind);
      Node node = loopback.node(hostile.script()).respondToProbesWith(hostile.script());
      LlmClient client = client(spoken, node, hostile.small());
      ends.add(client);
      ends.add(node);
      String who = spoken + ", " + hostile + ": ";
      calls.add(() -> judge(who + "chat: ", client.chat(REQUEST)));
      StreamRecovery recovery = kind % 2 == 0 ? StreamRecovery.RESTART : StreamRecovery.HOLD;
      calls.add(() -> judge(who + recovery + ": ", streamed(client, recovery)));
      if (kind % 4 == spoken.ordinal()) {
        calls.add(() -> checked(client));
      }
    }
    run(all(ProtocolReplies.OLLAMA).get(kind).name(), calls, ends);
  }

  private void run(String name, List<Callable<Void>> calls, List<AutoCloseable> ends)
      throws Exception {
    for (Future<Void> call : callers.invokeAll(calls)) {
      try {
        call.get();
      } catch (Exception e) {
        tell(name + ": " + e);
      }
    }
    for (AutoCloseable end : ends) {
      end.close();
    }
  }

  private static Void checked(LlmClient client) throws Exception {
    client.recheck("node").get();
    client.diagnose();
    return null;
  }

  private static ChatResponse streamed(LlmClient client, StreamRecovery recovery) {
    try (ChatStream stream = client.stream(REQUEST.toBuilder().onBrokenStream(recovery).build())) {
      return stream.response();
    }
  }

  private static LlmClient client(ProtocolReplies spoken, Node node, boolean small) {
    Endpoint.Builder first = spoken.endpoint("node", node.url());
    if (small) {
      first.maxAnswerBytes(1 << 18);
    }
    return LlmClient.builder()
        .maxTokensAtMost(1_000_000)
        .endpoint(first.apiKey("k").timeout(LONG).build())
        .endpoint(template())
        .build();
  }

  private Void judge(String who, ChatResponse response) {
    Attempt first = response.attempts().get(0);
    FailureKind kind = first.failure().orElse(null);
    if (!response.text().equals("TEMPLATE") || kind == null || kind == FailureKind.INTERNAL) {
      tell(who + response.endpoint() + " " + response.attempts());
    }
    return null;
  }

  private synchronized void tell(String what) {
    wrong = true;
    System.out.println("WRONG " + what);
  }
}
