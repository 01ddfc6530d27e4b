// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.micrometer;

import dev.offmeter.ChatResponse;
import io.micrometer.core.instrument.DistributionSummary;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.Timer;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.DoubleStream;
import java.util.stream.LongStream;

/** The meters of the GenAI convention. Each is looked up in the registry once. */
final class OperationMeters {
  /** The convention's buckets, in milliseconds; the last two are for models on a CPU. */
  private static final Duration[] SECONDS =
      LongStream.of(
              10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 10240, 20480, 40960, 81920, 163840,
              327680)
          .mapToObj(Duration::ofMillis)
          .toArray(Duration[]::new);

  /** The convention's buckets: powers of 4 up to 64 Mi. */
  private static final double[] TOKENS =
      DoubleStream.iterate(1, last -> last <= 67_108_864, last -> last * 4).toArray();

  private final MeterRegistry registry;
  private final Map<OperationKey, Timer> durations = new ConcurrentHashMap<>();
  private final Map<OperationKey, Timer> firstChunks = new ConcurrentHashMap<>();
  private final Map<OperationKey, TokenMeters> tokens = new ConcurrentHashMap<>();

  OperationMeters(MeterRegistry registry) {
    this.registry = registry;
  }

  private record TokenMeters(DistributionSummary input, DistributionSummary output) {}

  void onAnswered(OperationKey key, ChatResponse response) {
    durations.computeIfAbsent(key, this::duration).record(response.elapsed());
    if (response.timeToFirstToken().toNanos() > 0) {
      firstChunks.computeIfAbsent(key, this::firstChunk).record(response.timeToFirstToken());
    }
    if (response.usage().reported()) {
      TokenMeters meters = tokens.computeIfAbsent(key, this::tokens);
      meters.input().record(response.usage().inputTokens());
      meters.output().record(response.usage().outputTokens());
    }
  }

  void onFailed(OperationKey key, Duration elapsed) {
    durations.computeIfAbsent(key, this::duration).record(elapsed);
  }

  private Timer duration(OperationKey key) {
    return Timer.builder(MeterNames.OPERATION_DURATION)
        .description("The duration of a whole call, from its begin to its answer or failure")
        .tags(key.tags().and(MeterNames.ERROR_TYPE, key.error()))
        .serviceLevelObjectives(SECONDS)
        .register(registry);
  }

  private Timer firstChunk(OperationKey key) {
    return Timer.builder(MeterNames.TIME_TO_FIRST_CHUNK)
        .description("The time to the first piece of an answer, from the dispatch of its attempt")
        .tags(key.tags())
        .serviceLevelObjectives(SECONDS)
        .register(registry);
  }

  private TokenMeters tokens(OperationKey key) {
    return new TokenMeters(tokens(key.tags(), "input"), tokens(key.tags(), "output"));
  }

  private DistributionSummary tokens(Tags tags, String type) {
    return DistributionSummary.builder(MeterNames.TOKEN_USAGE)
        .description("The tokens of an answer, as its server reports them")
        .tags(tags.and(MeterNames.TOKEN_TYPE, type))
        .serviceLevelObjectives(TOKENS)
        .register(registry);
  }
}
