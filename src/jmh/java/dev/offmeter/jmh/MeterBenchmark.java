// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.jmh;

import dev.offmeter.Attempt;
import dev.offmeter.ChatResponse;
import dev.offmeter.Usage;
import dev.offmeter.internal.meter.AttemptBill;
import dev.offmeter.internal.meter.MeterRecorder;
import dev.offmeter.internal.time.TimeSource;
import dev.offmeter.meter.Price;
import java.time.Duration;
import java.time.ZoneOffset;
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
import org.openjdk.jmh.annotations.TearDown;

/** Measures what counting adds to a call. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class MeterBenchmark {
  private static final Map<String, String> TAGS = Map.of("feature", "follow-up");
  private static final Usage USAGE = new Usage(300, 120);

  /** Whether the endpoint is free, or has a price per million tokens. */
  @Param({"free", "paid"})
  public String price;

  private TimeSource time;
  private Price endpointPrice;
  private MeterRecorder meter;

  @Setup
  public void open() {
    time = TimeSource.system();
    endpointPrice =
        price.equals("free") ? Price.free() : Price.perMillionTokens("USD", "0.30", "2.50");
    meter = new MeterRecorder(time, ZoneOffset.UTC, null, List.of(), List::of, null);
  }

  @TearDown
  public void close() {
    time.close();
  }

  /** Bills an attempt and counts it and its call. */
  @Benchmark
  public ChatResponse counted() {
    AttemptBill bill = AttemptBill.complete(endpointPrice, USAGE, 1_000_000);
    Attempt attempt =
        attempt().usage(bill.usage()).computeTime(bill.computeTime()).cost(bill.cost()).build();
    ChatResponse response = response(attempt);
    meter.onAttemptEnded(attempt, "m", endpointPrice, TAGS);
    meter.onCallAnswered(response, "m", TAGS);
    return response;
  }

  /** Makes the same attempt and response without a bill, and counts nothing. */
  @Benchmark
  public ChatResponse uncounted() {
    return response(attempt().usage(USAGE).build());
  }

  private static Attempt.Builder attempt() {
    return Attempt.builder("node")
        .origin("http://localhost")
        .model("m")
        .elapsed(Duration.ofMillis(1));
  }

  private static ChatResponse response(Attempt attempt) {
    return ChatResponse.builder().text("Dear").attempts(List.of(attempt)).build();
  }
}
