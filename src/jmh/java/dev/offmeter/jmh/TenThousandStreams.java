// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.jmh;

import dev.offmeter.ChatEvent;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatStream;
import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import dev.offmeter.LlmException;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.Map;
import java.util.Scanner;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;

/**
 * Opens ten thousand streams of 100 tokens at once, or as many and as long as {@code jmh.args}
 * says, each read by a thread of its own: a virtual one where the JDK has them (21 and later).
 */
public final class TenThousandStreams {
  private static final int MILLIS_APART = 50;

  private final LlmClient llm;
  private final int tokens;
  private final ChatRequest request;
  private final CountDownLatch unfinished;
  private final AtomicInteger completed = new AtomicInteger();
  private final AtomicInteger open = new AtomicInteger();
  private final AtomicInteger openAtOnce = new AtomicInteger();
  private final AtomicIntegerArray tokensByLateness = new AtomicIntegerArray(60_000);
  private final Map<String, Integer> failures = new ConcurrentHashMap<>();
  private long heapUsed;

  private TenThousandStreams(LlmClient llm, int streams, int tokens) {
    this.llm = llm;
    this.tokens = tokens;
    this.request = ChatRequest.builder().user(BenchServer.prompt(tokens, MILLIS_APART)).build();
    this.unfinished = new CountDownLatch(streams);
  }

  public static void main(String[] args) throws Throwable {
    Scanner wanted = new Scanner(System.getProperty("jmh.args", ""));
    int streams = wanted.hasNextInt() ? wanted.nextInt() : 10_000;
    // Long enough that the first is still open when the last begins.
    int tokens = wanted.hasNextInt() ? wanted.nextInt() : 1_000;
    try (ServerProcess server = ServerProcess.start(TokenServer.class);
        LlmClient llm = client(server.url())) {
      TenThousandStreams run = new TenThousandStreams(llm, streams, tokens);
      long start = System.nanoTime();
      run.readAll(threads(), streams);
      run.report(Duration.ofNanos(System.nanoTime() - start), server.processorTime());
    }
  }

  /** A call that waits for a processor looks like one that waits for its connection. */
  private static LlmClient client(String url) {
    Endpoint.Builder server = Endpoint.ollama("server", url).model("m");
    return LlmClient.builder()
        .endpoint(server.connectTimeout(Duration.ofMinutes(1)).build())
        .build();
  }

  private static ExecutorService threads() throws Throwable {
    if (Runtime.version().feature() < 21) {
      return Executors.newCachedThreadPool();
    }
    MethodHandle virtual =
        MethodHandles.publicLookup()
            .findStatic(
                Executors.class,
                "newVirtualThreadPerTaskExecutor",
                MethodType.methodType(ExecutorService.class));
    return (ExecutorService) virtual.invokeExact();
  }

  private void readAll(ExecutorService threads, int streams) throws InterruptedException {
    for (int i = 0; i < streams; i++) {
      threads.execute(this::read);
    }
    threads.shutdown();
    while (!unfinished.await(100, TimeUnit.MILLISECONDS)) {
      heapUsed =
          Math.max(heapUsed, ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed());
    }
  }

  private void read() {
    try (ChatStream stream = llm.stream(request)) {
      int read = read(stream);
      if (read != tokens) {
        throw new IllegalStateException(read + " tokens");
      }
      completed.incrementAndGet();
    } catch (Throwable e) {
      failures.merge(kind(e), 1, Integer::sum);
    } finally {
      unfinished.countDown();
    }
  }

  private static String kind(Throwable e) {
    return e instanceof LlmException failed && !failed.attempts().isEmpty()
        ? failed.attempts().get(0).failure().map(Enum::name).orElse("none")
        : e.toString();
  }

  private int read(ChatStream stream) {
    int read = 0;
    try {
      for (ChatEvent event : stream) {
        if (event instanceof ChatEvent.TextDelta delta) {
          count(delta.text());
          if (read++ == 0) {
            openAtOnce.accumulateAndGet(open.incrementAndGet(), Math::max);
          }
        }
      }
      return read;
    } finally {
      if (read > 0) {
        open.decrementAndGet();
      }
    }
  }

  private void count(String token) {
    long late = System.currentTimeMillis() - Long.parseLong(token.strip());
    tokensByLateness.incrementAndGet((int) Math.min(late, tokensByLateness.length() - 1));
  }

  private void report(Duration wall, Duration server) {
    Duration own = ProcessHandle.current().info().totalCpuDuration().orElse(Duration.ZERO);
    line("JDK", Runtime.version());
    line("streams completed", completed);
    line("streams failed", failures);
    line("streams open at once, at most", openAtOnce);
    line("wall time, s", seconds(wall));
    line("token late by, ms, median", lateness(0.5));
    line("token late by, ms, p99", lateness(0.99));
    line("token late by, ms, at most", lateness(1));
    line("heap used, MiB, at most", heapUsed >> 20);
    line("heap allowed, MiB", Runtime.getRuntime().maxMemory() >> 20);
    line("platform threads, at most", ManagementFactory.getThreadMXBean().getPeakThreadCount());
    line("processor time, s", seconds(own));
    line("processor time of the server, s", seconds(server));
  }

  private static void line(String what, Object value) {
    System.out.printf("%-32s %s%n", what, value);
  }

  private static double seconds(Duration duration) {
    return duration.toMillis() / 1000.0;
  }

  private int lateness(double share) {
    long tokens = 0;
    for (int i = 0; i < tokensByLateness.length(); i++) {
      tokens += tokensByLateness.get(i);
    }
    long below = (long) Math.ceil(tokens * share);
    int late = 0;
    for (long seen = tokensByLateness.get(0); seen < below; seen += tokensByLateness.get(late)) {
      late++;
    }
    return late;
  }
}
