// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testing;

import dev.offmeter.Attempt;
import dev.offmeter.FailureKind;
import dev.offmeter.Usage;
import dev.offmeter.meter.Cost;
import dev.offmeter.meter.UsageRecord;
import java.math.BigDecimal;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.stream.LongStream;

/** Creates rows of a usage log. */
public final class UsageRows {
  private static final UUID CLIENT = UUID.randomUUID();

  private UsageRows() {}

  /** Returns the rows of calls with these numbers, that an endpoint has answered. */
  public static List<UsageRecord> ofCalls(long from, long to) {
    return LongStream.rangeClosed(from, to).mapToObj(UsageRows::answered).toList();
  }

  /** Returns a row in which every column has a value. */
  public static UsageRecord answered(long call) {
    return row(
        call,
        Map.of("feature", "Zoë's \"follow-up\"", "odd", "\u0000\ud83d\n"),
        Optional.of("a session"),
        Attempt.builder("reserve")
            .origin("https://llm.example.org")
            .model("served")
            .status(200)
            .elapsed(Duration.ofNanos(1_234_567_891))
            .usage(
                new Usage(1003, 107)
                    .withCache(401, 3)
                    .withThinking(5)
                    .withTimes(Duration.ZERO, Duration.ofMillis(7)))
            .computeTime(Duration.ofNanos(1_111_111_111))
            .cost(Cost.of(new BigDecimal("0.000075225000000001"), "USD", "endpoint"))
            .build());
  }

  /** Returns a row of an attempt that failed, with a cost that is not known. */
  public static UsageRecord failed(long call) {
    return row(
        call,
        Map.of(),
        Optional.empty(),
        Attempt.builder("reserve")
            .failure(FailureKind.ATTEMPT_TIMEOUT)
            .cost(Cost.UNKNOWN)
            .possiblyBilled(true)
            .build());
  }

  private static UsageRecord row(
      long call, Map<String, String> tags, Optional<String> session, Attempt attempt) {
    return new UsageRecord(
        Instant.parse("2026-11-27T14:00:00.123456Z"),
        CLIENT,
        call,
        1,
        tags,
        session,
        "large",
        true,
        attempt);
  }
}
