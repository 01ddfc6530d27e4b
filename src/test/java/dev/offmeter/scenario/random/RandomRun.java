// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.random;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.ClientInternals;
import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import dev.offmeter.LlmException;
import dev.offmeter.meter.UsageLogStatus;
import dev.offmeter.testing.AcceleratedTime;
import dev.offmeter.testing.ProtocolReplies;
import dev.offmeter.testing.RunReport;
import dev.offmeter.testing.Seeds;
import io.github.resilience4j.bulkhead.Bulkhead;
import java.io.IOException;
import java.lang.ref.WeakReference;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * One client, four servers and many callers. At its end the servers are well again, and nothing may
 * be left of it: every call over, every permit back, every endpoint able to answer, and, once the
 * client is closed, no thread, socket, timer or memory of it.
 */
final class RandomRun {
  /**
   * The speed of the run's time: an endpoint that is DOWN comes back while there are still calls.
   */
  private static final int FACTOR = 30;

  /** The error of a socket that a server still sees open some time after the client was closed. */
  static final String SOCKETS_LEFT = "socket left";

  private static final Duration PATIENCE = Duration.ofSeconds(30);

  private final long seed;
  private final RunSettings settings;
  private final Callers threads;
  private final RunReport report;
  private final AcceleratedTime time = new AcceleratedTime(FACTOR);
  private final CallEventChecker watch;
  private final UnreliableUsageLog usageLog;
  private final List<RandomServer> servers = new ArrayList<>();
  private final ScheduledExecutorService others =
      Executors.newScheduledThreadPool(
          2,
          task -> {
            Thread thread = new Thread(task, "test-others");
            thread.setDaemon(true);
            return thread;
          });
  private final MachineDelay machineDelay = new MachineDelay();
  private final AtomicLong made = new AtomicLong();
  private final RandomCaller.ClosedAt closedAt = new RandomCaller.ClosedAt();
  private @Nullable LlmClient client;

  /** The threads that make calls. */
  enum Callers {
    PLATFORM,
    VIRTUAL;

    boolean areHad() {
      return this == PLATFORM || Runtime.version().feature() >= 21;
    }

    Thread begin(Runnable task) throws ReflectiveOperationException {
      if (this == VIRTUAL) {
        // The tests are compiled for a JDK that does not have them.
        var begin = Thread.class.getMethod("startVirtualThread", Runnable.class);
        return (Thread) begin.invoke(null, task);
      }
      Thread thread = new Thread(task, "test-caller");
      thread.start();
      return thread;
    }
  }

  RandomRun(long seed, RunSettings settings, Callers threads, RunReport report) {
    this.seed = seed;
    this.settings = settings;
    this.threads = threads;
    this.report = report;
    this.watch = new CallEventChecker(report);
    this.usageLog = new UnreliableUsageLog(seed, report);
    servers.add(new RandomServer("Ollama", ProtocolReplies.OLLAMA, seed, report));
    servers.add(new RandomServer("OpenAi", ProtocolReplies.OPENAI, seed, report));
    servers.add(new RandomServer("Gemini", ProtocolReplies.GEMINI, seed, report));
    servers.add(new RandomServer("Anthropic", ProtocolReplies.ANTHROPIC, seed, report));
  }

  void run() throws Exception {
    client = build();
    try (machineDelay) {
      warmUp();
      servers.forEach(server -> server.setFaults(settings.faults()));
      callAll();
      settles();
      watch.verify();
      if (!closedAt.isSet()) {
        calmsDown();
        client.close();
      }
      hasRows();
      leavesNothing();
    } finally {
      servers.forEach(RandomServer::close);
      others.shutdownNow();
      time.stop();
    }
  }

  private LlmClient build() {
    Random random = Seeds.of(seed, "client");
    LlmClient.Builder builder =
        LlmClient.builder().listener(new ThrowingListener(seed)).listener(watch).usageLog(usageLog);
    builder.endpoint(
        limited(Endpoint.ollama("Ollama", url(0)).model(servers.get(0).model()), random)
            .keepWarm(random.nextBoolean())
            .build());
    builder.endpoint(
        limited(Endpoint.openAi("OpenAi", url(1)).model(servers.get(1).model()), random).build());
    builder.endpoint(
        limited(Endpoint.gemini("Gemini", url(2)).model(servers.get(2).model()), random).build());
    builder.endpoint(
        limited(Endpoint.anthropic("Anthropic", url(3)).model(servers.get(3).model()), random)
            .build());
    if (settings.template()) {
      builder.endpoint(Endpoint.local(RandomCaller.TEMPLATE, RandomRun::template).build());
    }
    if (settings.hedging()) {
      builder.hedgeAfter(Duration.ofSeconds(1)).maxHedgedShare(0.5);
    }
    return ClientInternals.withTime(builder, time).build();
  }

  private String url(int server) {
    return servers.get(server).node().url();
  }

  private Endpoint.Builder limited(Endpoint.Builder builder, Random random) {
    builder
        .timeout(Duration.ofSeconds(settings.patient() ? 300 : 12))
        .firstTokenTimeout(Duration.ofSeconds(settings.patient() ? 300 : 9))
        .stallTimeout(Duration.ofSeconds(settings.patient() ? 300 : 6))
        .retries(random.nextInt(3));
    if (random.nextBoolean()) {
      builder.maxConcurrent(2 + random.nextInt(8));
      builder.maxWait(Duration.ofMillis(random.nextInt(3000)));
    }
    if (random.nextInt(3) == 0) {
      builder.requestsPerMinute(2000);
    }
    return builder;
  }

  private static String template(ChatRequest request) {
    String asked = request.messages().get(0).content();
    String caller = RandomServer.between(asked, "caller=", ";");
    String text = new SignedText(caller, RandomCaller.TEMPLATE, 0, 3).text();
    return asked.contains("wants=record") ? "{\"signed\":\"" + text + "\"}" : text;
  }

  /** The first calls of a process load classes, which takes longer than their deadlines. */
  private void warmUp() {
    for (RandomServer server : servers) {
      servers.forEach(other -> other.setRefusing(other != server));
      answers(server.name());
    }
    servers.forEach(server -> server.setRefusing(false));
  }

  private void callAll() throws Exception {
    RandomCaller.SharedState common =
        new RandomCaller.SharedState(
            client, time, report, machineDelay, others, settings, closedAt, made);
    List<Thread> callers = new ArrayList<>();
    for (int i = 0; i < settings.callers(); i++) {
      callers.add(threads.begin(new RandomCaller(common, seed, "c" + i, settings.calls())));
    }
    if (settings.closing()) {
      others.schedule(this::close, 500, TimeUnit.MILLISECONDS);
    }
    if (settings.restarts()) {
      Random random = Seeds.of(seed, "restarts");
      others.schedule(() -> restart(random), 100, TimeUnit.MILLISECONDS);
    }
    await(callers);
    others.shutdown();
    boolean unused = others.awaitTermination(10, TimeUnit.SECONDS);
  }

  /** Hanging is that nobody has made a call for long. */
  private void await(List<Thread> callers) throws InterruptedException {
    long before = -1;
    long since = System.nanoTime();
    for (Thread caller : callers) {
      while (caller.isAlive()) {
        caller.join(100);
        long now = made.get();
        since = now > before ? System.nanoTime() : since;
        before = now;
        if (System.nanoTime() - since > machineDelay.slowdown(PATIENCE.multipliedBy(2)).toNanos()) {
          report.reportError("a caller hangs", Arrays.toString(caller.getStackTrace()));
          return;
        }
      }
    }
  }

  private void close() {
    closedAt.now();
    client.close();
  }

  /** Stops one server for a moment, then another; each drops its idle connections too. */
  private void restart(Random random) {
    RandomServer server = servers.get(random.nextInt(servers.size()));
    if (random.nextBoolean()) {
      server.node().closeIdleConnections();
    } else {
      server.node().close();
      LockSupport.parkNanos(Duration.ofMillis(random.nextInt(150)).toNanos());
      comesBack(server);
    }
    report.count("server restarted");
    if (!others.isShutdown()) {
      others.schedule(() -> restart(random), 100 + random.nextInt(300), TimeUnit.MILLISECONDS);
    }
  }

  private void comesBack(RandomServer server) {
    boolean back =
        soon(
            () -> {
              try {
                server.node().restart();
                return true;
              } catch (IOException e) {
                // The machine has lent the port to somebody else for a moment.
                return false;
              }
            });
    if (!back) {
      throw new IllegalStateException("the port is gone");
    }
  }

  private void settles() {
    expect(
        () ->
            ClientInternals.activeCalls(client) == 0
                && client.status().endpoints().stream().allMatch(e -> e.inFlight() == 0),
        () -> "under way " + ClientInternals.activeCalls(client) + ", " + client.status());
    expect(this::hasAllPermits, () -> "permits are missing: " + client.status());
  }

  private boolean hasAllPermits() {
    return client.resilience4j().bulkheads().getAllBulkheads().stream()
        .map(Bulkhead::getMetrics)
        .allMatch(m -> m.getAvailableConcurrentCalls() == m.getMaxAllowedConcurrentCalls());
  }

  /** Each endpoint answers a plain call again, when those before it send it on. */
  private void calmsDown() {
    servers.forEach(server -> server.setFaults(0));
    for (RandomServer server : servers) {
      servers.forEach(other -> other.setRefusing(other != server));
      String name = server.name();
      expect(() -> answers(name), () -> name + " does not answer again: " + client.status());
    }
    servers.forEach(other -> other.setRefusing(true));
    if (settings.template()) {
      expect(() -> answers(RandomCaller.TEMPLATE), () -> "no template: " + client.status());
    }
    settles();
    watch.verify();
  }

  private boolean answers(String endpoint) {
    String id = "calm-" + System.nanoTime();
    try {
      ChatRequest request = ChatRequest.builder().user("caller=" + id + ";wants=text;").build();
      ChatResponse response = client.chat(request);
      report.reportError("calm", SignedText.findMistake(response.text(), id, response.endpoint()));
      if (response.endpoint().equals(endpoint)) {
        return true;
      }
    } catch (LlmException e) {
      // The endpoint is still down: try again a minute later.
    }
    time.jump(Duration.ofMinutes(1));
    return false;
  }

  private void hasRows() {
    UsageLogStatus[] status = new UsageLogStatus[1];
    expect(
        () -> {
          status[0] = client.meter().usageLog().orElseThrow();
          return usageLog.isWhole(status[0], watch.attemptsEnded());
        },
        () -> watch.attemptsEnded() + " attempts, " + status[0]);
  }

  private void leavesNothing() {
    WeakReference<LlmClient> gone = new WeakReference<>(client);
    expect(() -> time.pendingTasks() == 0, () -> time.pendingTasks() + " timers are left");
    expect(() -> socketsOpen() == 0, () -> socketsOpen() + " sockets are left");
    report.count(SOCKETS_LEFT, socketsOpen());
    expect(() -> threadsLeft().isEmpty(), () -> "threads are left: " + threadsLeft());
    client = null;
    expect(
        () -> {
          System.gc();
          return gone.get() == null;
        },
        () -> "the client is still in memory");
  }

  /** Returns the number of sockets that the servers see open. */
  private int socketsOpen() {
    return servers.stream().mapToInt(server -> server.node().openConnections()).sum();
  }

  static List<String> threadsLeft() {
    return Thread.getAllStackTraces().keySet().stream()
        .map(Thread::getName)
        .filter(name -> name.startsWith("offmeter-"))
        .toList();
  }

  private void expect(BooleanSupplier condition, Supplier<String> otherwise) {
    if (!soon(condition)) {
      report.reportError("at the end", otherwise.get());
    }
  }

  private boolean soon(BooleanSupplier condition) {
    long began = System.nanoTime();
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() - began > machineDelay.slowdown(PATIENCE).toNanos()) {
        return false;
      }
      LockSupport.parkNanos(5_000_000);
    }
    return true;
  }
}
