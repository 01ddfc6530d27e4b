// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.random;

import static dev.offmeter.testing.Loopback.awaitSoon;

import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import dev.offmeter.testing.Connection;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.RunReport;
import dev.offmeter.testing.Seeds;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import org.awaitility.core.ConditionTimeoutException;

/**
 * Calls that come, end and are interrupted one at a time, at one endpoint with few places, beside
 * the plainest model of it: a list. After every step exactly those are at the server that should
 * be.
 */
final class OrderedQueue {
  private static final String REFUSED = "refused";

  /** The next refusal in a row would take the endpoint down. */
  private static final int MOST_REFUSED = 4;

  private final Random random;
  private final RunReport report;
  private final int places;
  private final boolean queues;
  private final Map<String, CompletableFuture<String>> atServer = new ConcurrentHashMap<>();
  private final List<Waiting> served = new ArrayList<>();
  private final Deque<Waiting> waiting = new ArrayDeque<>();
  private int calls;
  private int refused;

  OrderedQueue(long seed, RunReport report) {
    this.random = Seeds.of(seed, "line");
    this.report = report;
    this.places = 1 + random.nextInt(3);
    this.queues = random.nextBoolean();
  }

  private static final class Waiting {
    final String id;
    final CompletableFuture<String> outcome = new CompletableFuture<>();
    final Thread thread;

    Waiting(String id, LlmClient client) {
      this.id = id;
      this.thread = new Thread(() -> call(client), "test-caller");
      thread.start();
    }

    private void call(LlmClient client) {
      try {
        outcome.complete(client.chat("caller=" + id + ";").text());
      } catch (Throwable e) {
        outcome.complete(e.getClass().getSimpleName());
      }
    }

    boolean isInLine() {
      return Arrays.stream(thread.getStackTrace())
          .anyMatch(frame -> frame.getMethodName().equals("waitingGet"));
    }
  }

  void run(int steps) throws Exception {
    try (Node node = new Node(this::answer).discardRequests();
        LlmClient client = client(node)) {
      for (int i = 0; i < steps; i++) {
        step(client);
      }
      while (!served.isEmpty()) {
        ends(served.remove(random.nextInt(served.size())), "");
      }
      expect(
          () ->
              places
                  == client
                      .resilience4j()
                      .bulkheads()
                      .bulkhead("only")
                      .getMetrics()
                      .getAvailableConcurrentCalls(),
          "places are lost");
    }
  }

  private LlmClient client(Node node) {
    Endpoint.Builder only = Loopback.ollama("only", node).maxConcurrent(places);
    LlmClient.Builder builder = LlmClient.builder();
    if (queues) {
      only.maxWait(Duration.ofHours(1));
      builder.endpoint(only.timeout(Duration.ofMinutes(5)).build());
      builder.endpoint(Endpoint.local("template", request -> "template").build());
    } else {
      builder.endpoint(only.build());
    }
    return builder.build();
  }

  private void answer(Connection connection, Connection.Request request) throws IOException {
    String id = RandomServer.between(request.body(), "caller=", ";");
    CompletableFuture<String> verdict = new CompletableFuture<>();
    atServer.put(id, verdict);
    String text = verdict.join();
    if (text.equals(REFUSED)) {
      OllamaReplies.status(400, "application/json", "{\"error\":\"no\"}")
          .answer(connection, request);
    } else if (text.isEmpty()) {
      connection.hang();
    } else {
      OllamaReplies.answering(text).answer(connection, request);
    }
  }

  private void step(LlmClient client) {
    switch (random.nextInt(5)) {
      case 0, 1 -> arrives(client);
      case 2 -> {
        if (!served.isEmpty()) {
          boolean refuses = random.nextInt(4) == 0 && refused < MOST_REFUSED;
          refused = refuses ? refused + 1 : 0;
          ends(served.remove(random.nextInt(served.size())), refuses ? REFUSED : "");
        }
      }
      case 3 -> {
        if (!served.isEmpty()) {
          leaves(served.remove(random.nextInt(served.size())));
        }
      }
      default -> {
        if (!waiting.isEmpty()) {
          Waiting leaving = new ArrayList<>(waiting).get(random.nextInt(waiting.size()));
          waiting.remove(leaving);
          leaves(leaving);
        }
      }
    }
  }

  private void arrives(LlmClient client) {
    Waiting call = new Waiting("c" + calls++, client);
    if (served.size() < places) {
      served.add(call);
    } else {
      waiting.add(call);
      expect(call::isInLine, call.id + " does not wait");
    }
    report.count("line: came");
    isAsInTheModel();
  }

  private void ends(Waiting call, String how) {
    String text = how.isEmpty() ? "for " + call.id : how;
    atServer.remove(call.id).complete(text);
    String expected = how.isEmpty() ? text : queues ? "template" : "AllEndpointsFailedException";
    expect(() -> expected.equals(call.outcome.getNow("")), call.id + " has not " + expected);
    report.count("line: ended");
    placeIsFree();
  }

  private void leaves(Waiting call) {
    call.thread.interrupt();
    expect(() -> "LlmException".equals(call.outcome.getNow("")), call.id + " is not interrupted");
    CompletableFuture<String> verdict = atServer.remove(call.id);
    if (verdict != null) {
      verdict.complete("");
    }
    report.count("line: interrupted");
    placeIsFree();
  }

  private void placeIsFree() {
    while (served.size() < places && !waiting.isEmpty()) {
      served.add(waiting.remove());
    }
    isAsInTheModel();
  }

  private void isAsInTheModel() {
    Set<String> expected = served.stream().map(call -> call.id).collect(Collectors.toSet());
    expect(
        () -> atServer.keySet().equals(expected),
        "at the server should be " + expected + ", in line " + waiting.size());
  }

  private void expect(Callable<Boolean> condition, String otherwise) {
    try {
      awaitSoon(condition);
    } catch (ConditionTimeoutException e) {
      report.reportError("line", otherwise + "; at the server are " + atServer.keySet());
      throw e;
    }
  }
}
