// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.jmh;

import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/** A long answer, each token in a line of its own, sent as fast as it is read. */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@State(Scope.Benchmark)
public class LongStreamBenchmark {
  static final int TOKENS = 5000;

  @Param({"offmeter", "okhttp", "langchain4j", "ollama4j"})
  public String client;

  private Streaming asked;

  @Setup
  public void open() {
    asked = Streaming.of(client, Benchmarks.server());
  }

  @Benchmark
  public int stream() throws Exception {
    Streaming.Reading reader = asked.stream(BenchServer.prompt(TOKENS, 0));
    reader.first();
    int read = reader.rest();
    if (read != TOKENS * BenchServer.TOKEN.length()) {
      throw new IllegalStateException("read " + read + " characters");
    }
    return read;
  }
}
