// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.jmh;

import dev.offmeter.ChatRequest;
import dev.offmeter.Endpoint;
import dev.offmeter.LlmClient;
import dev.offmeter.integration.langchain4j.OffmeterChatModel;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * Measures what an adapter adds to a call: a client whose only endpoint is a function, asked
 * directly and through the adapters. No socket is open, so that the difference is not lost in the
 * time of a server.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@State(Scope.Benchmark)
public class AdapterBenchmark {
  @Param({"client", "langchain4j", "spring-ai"})
  public String adapter;

  private LlmClient llm;
  private Asked asked;

  /** A way to ask. */
  private interface Asked {
    String ask(String prompt);
  }

  @Setup
  public void open() {
    Endpoint function = Endpoint.local("function", request -> BenchServer.ANSWER).build();
    llm = LlmClient.builder().endpoint(function).build();
    asked = asked();
  }

  private Asked asked() {
    return switch (adapter) {
      case "client" -> prompt -> llm.chat(ChatRequest.builder().user(prompt).build()).text();
      case "langchain4j" -> new OffmeterChatModel(llm)::chat;
      case "spring-ai" -> new dev.offmeter.integration.springai.OffmeterChatModel(llm)::call;
      default -> throw new IllegalArgumentException(adapter);
    };
  }

  @TearDown
  public void close() {
    llm.close();
  }

  @Benchmark
  public String chat() {
    return asked.ask(ChatBenchmark.PROMPT);
  }
}
