// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.jmh;

import dev.offmeter.Attempt;
import dev.offmeter.ChatResponse;
import dev.offmeter.Usage;
import dev.offmeter.integration.micrometer.OffmeterMetrics;
import dev.offmeter.integration.micrometer.OffmeterObservations;
import dev.offmeter.observe.LlmListener;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.micrometer.observation.ObservationRegistry;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/** Measures what the meters, and the observations, of an answered call take: its four events. */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@State(Scope.Benchmark)
public class MetricsBenchmark {
  @Param({"meters", "observations"})
  public String listener;

  private final Attempt attempt =
      Attempt.builder("mac-mini")
          .origin("http://10.0.0.5:11434")
          .provider("ollama")
          .model("qwen3:8b")
          .status(200)
          .elapsed(Duration.ofMillis(1412))
          .computeTime(Duration.ofMillis(1400))
          .build();

  private final ChatResponse response =
      ChatResponse.builder()
          .text(BenchServer.ANSWER)
          .endpoint("mac-mini")
          .model("qwen3:8b")
          .usage(new Usage(100, 200))
          .elapsed(Duration.ofMillis(1412))
          .timeToFirstToken(Duration.ofMillis(270))
          .attempts(List.of(attempt))
          .build();

  private LlmListener events;

  @Setup
  public void create() {
    events =
        (listener.equals("meters")
                ? OffmeterMetrics.listener(new SimpleMeterRegistry())
                : new OffmeterObservations(ObservationRegistry.create()))
            .forClient();
  }

  @Benchmark
  public void call() {
    events.onCallStarted(1, Map.of());
    events.onAttemptStarted(1, "mac-mini", "qwen3:8b");
    events.onAttemptEnded(1, attempt);
    events.onCallAnswered(1, response);
  }
}
