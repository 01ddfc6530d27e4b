// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.meter;

import dev.offmeter.Attempt;
import dev.offmeter.FailureKind;
import dev.offmeter.Usage;
import java.math.BigDecimal;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/** The fields of a row's JSON, and how an attempt is written to them and read from them. */
final class UsageFields {
  private static final String ANSWERED = "ANSWERED";

  /** The decimals of a second, down to the nanosecond. */
  private static final int NANOS = 9;

  private final Map<String, Object> fields;

  UsageFields(Map<String, Object> fields) {
    this.fields = fields;
  }

  /** Returns how the attempt ended, in one word. */
  static String outcome(Attempt attempt) {
    return attempt.failure().map(FailureKind::name).orElse(ANSWERED);
  }

  /** Adds what the attempt used and cost. */
  static void put(Map<String, @Nullable Object> row, Attempt attempt) {
    Usage usage = attempt.usage();
    row.put("input_tokens", usage.inputTokens());
    row.put("cached_input_tokens", usage.cachedInputTokens());
    row.put("cache_write_tokens", usage.cacheWriteTokens());
    row.put("output_tokens", usage.outputTokens());
    row.put("thinking_tokens", usage.thinkingTokens());
    row.put("usage_reported", usage.reported());
    row.put("duration_seconds", seconds(attempt.elapsed()));
    row.put("compute_seconds", seconds(attempt.computeTime()));
    row.put("load_seconds", seconds(usage.loadTime()));
    Cost cost = attempt.cost();
    row.put("cost", cost.isKnown() ? cost.amount() : null);
    row.put("currency", cost.currency().isEmpty() ? null : cost.currency());
    row.put("price_source", cost.priceSource().isEmpty() ? null : cost.priceSource());
    row.put("cost_estimated", cost.isEstimated());
    row.put("possibly_billed", attempt.possiblyBilled());
  }

  private static BigDecimal seconds(Duration span) {
    BigDecimal seconds = BigDecimal.valueOf(span.toNanos(), NANOS).stripTrailingZeros();
    return seconds.scale() < 0 ? seconds.setScale(0) : seconds;
  }

  /** Returns the row that these are the fields of. */
  UsageRecord record() {
    try {
      return new UsageRecord(
          Instant.parse(text("ended_at")),
          UUID.fromString(text("client_id")),
          number("call_id").longValueExact(),
          count("attempt"),
          tags(),
          Optional.ofNullable((String) fields.get("session")),
          text("model"),
          is("streamed"),
          attempt());
    } catch (ClassCastException | ArithmeticException | DateTimeException e) {
      throw new IllegalArgumentException("must be a row of a usage log", e);
    }
  }

  private Attempt attempt() {
    Attempt.Builder attempt =
        Attempt.builder(text("endpoint"))
            .origin(text("origin"))
            .model((String) fields.getOrDefault("model_answered", text("model")))
            .elapsed(span("duration_seconds"))
            .usage(usage())
            .computeTime(span("compute_seconds"))
            .cost(cost())
            .possiblyBilled(is("possibly_billed"));
    if (!text("outcome").equals(ANSWERED)) {
      attempt.failure(FailureKind.valueOf(text("outcome")));
    }
    if (fields.containsKey("http_status")) {
      attempt.status(count("http_status"));
    }
    return attempt.build();
  }

  private Usage usage() {
    return new Usage(
        count("input_tokens"),
        count("output_tokens"),
        count("cached_input_tokens"),
        count("cache_write_tokens"),
        count("thinking_tokens"),
        Duration.ZERO,
        span("load_seconds"),
        is("usage_reported"));
  }

  private Cost cost() {
    if (!fields.containsKey("cost")) {
      return Cost.UNKNOWN;
    }
    String source = (String) fields.getOrDefault("price_source", "");
    if (!fields.containsKey("currency")) {
      return Cost.ofNothing(source);
    }
    Cost cost = Cost.of(number("cost"), text("currency"), source);
    return is("cost_estimated") ? cost.asEstimated() : cost;
  }

  private Map<String, String> tags() {
    Map<String, String> tags = new HashMap<>();
    ((Map<?, ?>) required("tags")).forEach((key, tag) -> tags.put((String) key, (String) tag));
    return tags;
  }

  private Object required(String field) {
    Object value = fields.get(field);
    if (value == null) {
      throw new IllegalArgumentException(field + " must be in a row of a usage log, is missing");
    }
    return value;
  }

  private String text(String field) {
    return (String) required(field);
  }

  private boolean is(String field) {
    return (boolean) required(field);
  }

  private BigDecimal number(String field) {
    return (BigDecimal) required(field);
  }

  private int count(String field) {
    return number(field).intValueExact();
  }

  private Duration span(String field) {
    return Duration.ofNanos(number(field).movePointRight(NANOS).longValueExact());
  }
}
