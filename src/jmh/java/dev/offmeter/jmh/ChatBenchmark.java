// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.jmh;

import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/** One question and its answer, by each of the clients. */
@State(Scope.Benchmark)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
public class ChatBenchmark {
  static final String PROMPT =
      "Draft a friendly reminder for invoice 1042, due on the first of the month.";

  @Param({"offmeter", "okhttp", "langchain4j", "ollama4j", "springai"})
  public String client;

  private Client asked;

  @Setup
  public void open() throws Exception {
    asked = Client.of(client, Benchmarks.server());
    String answer = asked.ask(PROMPT);
    if (!answer.equals(BenchServer.ANSWER)) {
      throw new IllegalStateException(client + " answered: " + answer);
    }
  }

  @Benchmark
  public String chat() throws Exception {
    return asked.ask(PROMPT);
  }
}
