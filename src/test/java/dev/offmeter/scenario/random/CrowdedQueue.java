// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.random;

import dev.offmeter.ChatEvent;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ChatStream;
import dev.offmeter.ClientInternals;
import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import dev.offmeter.LlmException;
import dev.offmeter.testing.AcceleratedTime;
import dev.offmeter.testing.Connection;
import dev.offmeter.testing.Loopback;
import dev.offmeter.testing.Node;
import dev.offmeter.testing.OllamaReplies;
import dev.offmeter.testing.RunReport;
import dev.offmeter.testing.Seeds;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * Many callers at two endpoints with few places. Calls are interrupted, cancelled, closed and run
 * out of time, at the server's side and in the line; never are more under way than there are
 * places, and every place is there at the end.
 */
final class CrowdedQueue {
  private static final int CALLERS = 10;
  private static final int FACTOR = 20;
  private static final int MICROS = 4_000;

  private final long seed;
  private final RunReport report;
  private final int places;
  private final double faults;

  /** Calls that nobody waits for any more, or not for sure. */
  private final Set<String> over = ConcurrentHashMap.newKeySet();

  private final AcceleratedTime time = new AcceleratedTime(FACTOR);
  private final ScheduledExecutorService others =
      new ScheduledThreadPoolExecutor(
          2,
          task -> {
            Thread thread = new Thread(task, "test-others");
            thread.setDaemon(true);
            return thread;
          });

  CrowdedQueue(long seed, RunReport report) {
    this.seed = seed;
    this.report = report;
    Random random = Seeds.of(seed, "crowd");
    this.places = 1 + random.nextInt(3);
    this.faults = random.nextInt(3) * 0.15;
  }

  /** A server that knows how many of those that it works for are still waiting for it. */
  private final class CountingScript implements Node.Script {
    private final Set<String> inHand = ConcurrentHashMap.newKeySet();
    private final String name;
    private volatile boolean calm;

    CountingScript(String name) {
      this.name = name;
    }

    @Override
    public void answer(Connection connection, Connection.Request request) throws IOException {
      String id = RandomServer.between(request.body(), "caller=", ";");
      Random random = Seeds.of(seed, name, id);
      inHand.add(id);
      long live = inHand.stream().filter(caller -> !over.contains(caller)).count();
      report.reportError(
          "crowd", live <= places ? "" : live + " at " + name + " with " + places + " places");
      if (random.nextInt(3) == 0) {
        LockSupport.parkNanos(random.nextInt(MICROS) * 1_000L);
      }
      inHand.remove(id);
      if (!calm && random.nextDouble() < faults) {
        connection.reset();
      } else {
        String text = new SignedText(id, name, 0, 2).text();
        OllamaReplies.answering(text).answer(connection, request);
      }
    }
  }

  void run(int calls) throws Exception {
    CountingScript first = new CountingScript("first");
    CountingScript second = new CountingScript("second");
    try (Node one = new Node(first).discardRequests();
        Node other = new Node(second).discardRequests();
        LlmClient client = client(one, other)) {
      List<Thread> callers = new ArrayList<>();
      for (int i = 0; i < CALLERS; i++) {
        String name = "c" + i;
        callers.add(new Thread(() -> callAll(client, name, calls), "test-caller"));
      }
      callers.forEach(Thread::start);
      for (Thread caller : callers) {
        caller.join(60_000);
        report.reportError("crowd", caller.isAlive() ? "a caller hangs" : "");
      }
      first.calm = true;
      second.calm = true;
      hasAllPlaces(client);
    } finally {
      others.shutdownNow();
      time.stop();
    }
  }

  private LlmClient client(Node one, Node other) {
    Endpoint.Builder first = Loopback.ollama("first", one).maxConcurrent(places);
    if (seed % 2 == 0) {
      first.maxWait(Duration.ofSeconds(1));
    }
    Endpoint.Builder second = Loopback.ollama("second", other).maxConcurrent(places);
    return ClientInternals.withTime(
            LlmClient.builder().endpoint(first.build()).endpoint(second.build()), time)
        .build();
  }

  private void callAll(LlmClient client, String name, int calls) {
    Random random = Seeds.of(seed, name);
    for (int i = 0; i < calls; i++) {
      new QueuedCall(client, name + "-" + i, random).make();
    }
  }

  private final class QueuedCall {
    private final LlmClient client;
    private final String id;
    private final Random random;
    private final ChatRequest.Builder request;
    private boolean ended;

    QueuedCall(LlmClient client, String id, Random random) {
      this.client = client;
      this.id = id;
      this.random = random;
      this.request = ChatRequest.builder().user("caller=" + id + ";");
    }

    void make() {
      try {
        switch (random.nextInt(6)) {
          case 0 -> {
            CompletableFuture<ChatResponse> future = client.chatAsync(request.build());
            endsSoon(() -> future.cancel(true));
            answered(future.get(60, TimeUnit.SECONDS));
          }
          case 1 -> {
            Thread caller = Thread.currentThread();
            endsSoon(() -> interrupt(caller));
            answered(client.chat(request.build()));
          }
          case 2 -> {
            Duration deadline = Duration.ofMillis(1 + random.nextInt(20));
            // An endpoint may be left earlier, when its share of that time is spent.
            over(true);
            request.deadline(deadline.multipliedBy(FACTOR));
            answered(client.chat(request.build()));
          }
          case 3 -> {
            try (ChatStream stream = client.stream(request.build())) {
              endsSoon(stream::close);
              for (ChatEvent event : stream) {
                over(event instanceof ChatEvent.Completed);
              }
              answered(stream.response());
            }
          }
          default -> answered(client.chat(request.build()));
        }
      } catch (ExecutionException e) {
        failed(e.getCause());
      } catch (Throwable e) {
        failed(e);
      } finally {
        isOver();
      }
    }

    private void endsSoon(Runnable end) {
      others.schedule(
          () -> {
            over(true);
            end.run();
          },
          random.nextInt(MICROS),
          TimeUnit.MICROSECONDS);
    }

    private synchronized void interrupt(Thread caller) {
      if (!ended) {
        caller.interrupt();
      }
    }

    private synchronized void isOver() {
      ended = true;
      boolean unused = Thread.interrupted();
    }

    private void over(boolean isOver) {
      if (isOver) {
        over.add(id);
      }
    }

    private void answered(ChatResponse response) {
      report.count("crowd: answered by " + response.endpoint());
      report.reportError(id, SignedText.findMistake(response.text(), id, response.endpoint()));
    }

    private void failed(Throwable thrown) {
      report.count("crowd: " + thrown.getClass().getSimpleName());
      boolean known = thrown instanceof LlmException || thrown instanceof CancellationException;
      report.reportError(id, known ? "" : "threw " + thrown);
    }
  }

  private void hasAllPlaces(LlmClient client) {
    long until = System.nanoTime() + Duration.ofSeconds(20).toNanos();
    while (!isWhole(client)) {
      if (System.nanoTime() - until > 0) {
        report.reportError(
            "crowd", "under way " + ClientInternals.activeCalls(client) + ", " + client.status());
        return;
      }
      time.jump(Duration.ofMinutes(1));
      LockSupport.parkNanos(1_000_000);
    }
  }

  private boolean isWhole(LlmClient client) {
    boolean idle =
        ClientInternals.activeCalls(client) == 0
            && client.resilience4j().bulkheads().getAllBulkheads().stream()
                .allMatch(b -> b.getMetrics().getAvailableConcurrentCalls() == places);
    if (!idle) {
      return false;
    }
    try {
      return client.chat("caller=last;").endpoint().equals("first");
    } catch (LlmException e) {
      return false;
    }
  }
}
