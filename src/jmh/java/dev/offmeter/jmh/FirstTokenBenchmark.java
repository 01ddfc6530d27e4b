// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.jmh;

import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Threads;

/** Measures the time from a call to its first piece of text; the rest is read off the clock. */
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@State(Scope.Benchmark)
public class FirstTokenBenchmark {
  private static final int MILLIS_APART = 20;

  @Param({"offmeter", "okhttp", "langchain4j", "ollama4j"})
  public String client;

  private Streaming asked;

  @Setup
  public void open() {
    asked = Streaming.of(client, Benchmarks.server());
  }

  @Benchmark
  public String alone(Answer answer) throws Exception {
    return answer.first(asked.stream(ChatBenchmark.PROMPT), BenchServer.ANSWER.length());
  }

  /** The others are being read meanwhile. No two are of one length, lest all begin at once. */
  @Benchmark
  @Threads(100)
  public String amongHundred(Answer answer) throws Exception {
    int tokens = ThreadLocalRandom.current().nextInt(10, 30);
    String prompt = BenchServer.prompt(tokens, MILLIS_APART);
    return answer.first(asked.stream(prompt), tokens * BenchServer.TOKEN.length());
  }

  /** The answer that a thread is reading. */
  @State(Scope.Thread)
  public static class Answer {
    private Streaming.Reading reader;
    private int length;

    String first(Streaming.Reading reader, int length) throws Exception {
      this.reader = reader;
      this.length = length;
      return reader.first();
    }

    @TearDown(Level.Invocation)
    public void rest() throws Exception {
      int read = reader.rest();
      if (read != length) {
        throw new IllegalStateException("read " + read + " characters of " + length);
      }
    }
  }
}
