// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.jmh;

import dev.offmeter.ChatResponse;
import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import dev.offmeter.Locality;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.AuxCounters;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Measures how punctually a primary that accepts and then hangs is given up: by its limit, and by
 * the health check that a self-hosted one leaves unanswered.
 */
@BenchmarkMode(Mode.SingleShotTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@State(Scope.Benchmark)
@Fork(1)
@Warmup(iterations = 0)
@Measurement(iterations = 3)
public class LimitBenchmark {
  static final Duration LIMIT = Duration.ofSeconds(15);

  @Param({"MANAGED", "SELF_HOSTED"})
  public Locality locality;

  private ServerSocket hanging;
  private LlmClient llm;

  /** A new client each time, because a second timeout in a row would take the primary down. */
  @Setup(Level.Iteration)
  public void open() throws IOException {
    hanging = new ServerSocket(0, 8, InetAddress.getLoopbackAddress());
    Endpoint.Builder primary =
        Endpoint.ollama("primary", "http://127.0.0.1:" + hanging.getLocalPort()).model("m");
    llm =
        LlmClient.builder()
            .endpoint(primary.timeout(LIMIT).locality(locality).build())
            .endpoint(Endpoint.ollama("fallback", Benchmarks.server()).model("m").build())
            .build();
  }

  @TearDown(Level.Iteration)
  public void close() throws IOException {
    llm.close();
    hanging.close();
  }

  @Benchmark
  public ChatResponse primaryHangs(FirstAttempt first) {
    ChatResponse response = llm.chat(ChatBenchmark.PROMPT);
    first.micros = response.attempts().get(0).elapsed().toNanos() / 1000;
    return response;
  }

  /** The elapsed time of the attempt that was given up. */
  @State(Scope.Thread)
  @AuxCounters(AuxCounters.Type.EVENTS)
  public static class FirstAttempt {
    public long micros;
  }
}
