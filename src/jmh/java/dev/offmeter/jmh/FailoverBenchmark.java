// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.jmh;

import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** Measures what a primary that refuses connections costs a call that its fallback answers. */
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@State(Scope.Benchmark)
public class FailoverBenchmark {
  private final Socket refusing = new Socket();
  private LlmClient alone;
  private LlmClient both;

  @Setup
  public void open() throws IOException {
    // Bound but not listening: it refuses, and nobody else can take its port.
    refusing.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
    String dead = "http://127.0.0.1:" + refusing.getLocalPort();
    Endpoint fallback = Endpoint.ollama("fallback", Benchmarks.server()).model("m").build();
    alone = LlmClient.builder().endpoint(fallback).build();
    both =
        LlmClient.builder()
            .endpoint(Endpoint.ollama("primary", dead).model("m").build())
            .endpoint(fallback)
            .build();
  }

  @TearDown
  public void close() throws IOException {
    alone.close();
    both.close();
    refusing.close();
  }

  @Benchmark
  public String fallbackAlone() {
    return alone.chat(ChatBenchmark.PROMPT).text();
  }

  /** The primary is asked, and refuses, in every call. */
  @Benchmark
  public String primaryRefuses(ClosedBreaker closed) {
    return both.chat(ChatBenchmark.PROMPT).text();
  }

  /** The primary is known to be down, but for a trial now and then. */
  @Benchmark
  public String primaryIsDown() {
    return both.chat(ChatBenchmark.PROMPT).text();
  }

  /** Forgets the refusal of the call before. */
  @State(Scope.Benchmark)
  public static class ClosedBreaker {
    @Setup(Level.Invocation)
    public void reset(FailoverBenchmark benchmark) {
      benchmark.both.resilience4j().circuitBreakers().circuitBreaker("primary").reset();
    }
  }
}
