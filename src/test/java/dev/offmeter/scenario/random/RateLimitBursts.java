// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.random;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ClientInternals;
import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmClient;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.ManualTime;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.RunReport;
import dev.offmeter.testing.Seeds;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CompletableFuture;

/**
 * Calls in random bursts at an endpoint with {@code requestsPerMinute}, beside the plainest model
 * of it: the moments of its requests. Exactly as many are sent as fit into the last minute.
 */
final class RateLimitBursts {
  private static final Duration MINUTE = Duration.ofMinutes(1);

  private final Random random;
  private final RunReport report;
  private final ManualTime time = new ManualTime();
  private final Deque<Long> sent = new ArrayDeque<>();
  private final int limit;

  RateLimitBursts(long seed, RunReport report) {
    this.random = Seeds.of(seed, "minute");
    this.report = report;
    this.limit = 1 + random.nextInt(8);
  }

  void run(int bursts) throws Exception {
    try (Node node = new Node(OllamaReplies.answering("sent")).discardRequests();
        LlmClient client = client(node)) {
      for (int i = 0; i < bursts; i++) {
        burst(client, 1 + random.nextInt(6));
        time.advance(Duration.ofMillis(random.nextInt(25_000)));
      }
    }
  }

  private LlmClient client(Node node) {
    return ClientInternals.withTime(
            LlmClient.builder()
                .endpoint(Loopback.ollama("node", node).requestsPerMinute(limit).build())
                .endpoint(Endpoint.local("template", request -> "not sent").build()),
            time)
        .build();
  }

  private void burst(LlmClient client, int calls) throws Exception {
    long now = time.nanos();
    while (!sent.isEmpty() && now - sent.peek() >= MINUTE.toNanos()) {
      sent.remove();
    }
    int expected = Math.min(calls, limit - sent.size());
    List<CompletableFuture<ChatResponse>> all = new ArrayList<>();
    for (int i = 0; i < calls; i++) {
      all.add(client.chatAsync(ChatRequest.builder().user("a reminder").build()));
    }
    int answered = 0;
    for (CompletableFuture<ChatResponse> call : all) {
      ChatResponse response = call.get();
      boolean wasSent = response.endpoint().equals("node");
      answered += wasSent ? 1 : 0;
      report.count("minute: " + response.text());
      boolean tells =
          wasSent
              || response
                  .attempts()
                  .get(0)
                  .failure()
                  .equals(Optional.of(FailureKind.CLIENT_RATE_LIMITED));
      report.reportError("minute", tells ? "" : "tells " + response.attempts());
    }
    report.reportError(
        "minute",
        answered == expected
            ? ""
            : "sent " + answered + " of " + calls + ", expected " + expected + " of " + limit);
    for (int i = 0; i < answered; i++) {
      sent.add(now);
    }
  }
}
