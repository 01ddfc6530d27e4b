// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.format.DateTimeFormatter;
import java.util.Optional;
import okhttp3.Headers;
import org.jspecify.annotations.Nullable;

/**
 * Reads the back-off that a server asks for: {@code Retry-After-Ms}, or {@code Retry-After} in
 * seconds or as a date (RFC 9110, section 10.2.3).
 */
final class RetryAfter {
  /** Bounds the arithmetic; the caller decides how much of it to honour. */
  private static final Duration AT_MOST = Duration.ofDays(1);

  private RetryAfter() {}

  static Optional<Duration> of(Headers headers) {
    String value = headers.get("Retry-After");
    return number(headers.get("Retry-After-Ms"), 1)
        .or(() -> number(value, 1000))
        .or(() -> date(value).map(then -> until(then, headers.get("Date"))));
  }

  private static Optional<Duration> number(@Nullable String value, int unitMillis) {
    if (value == null) {
      return Optional.empty();
    }
    try {
      double millis = Double.parseDouble(value.strip()) * unitMillis;
      return millis >= 0
          ? Optional.of(Duration.ofMillis(Math.min((long) millis, AT_MOST.toMillis())))
          : Optional.empty();
    } catch (NumberFormatException e) {
      return Optional.empty();
    }
  }

  /** Measures against the server's own clock, if it sends its time. */
  private static Duration until(Instant then, @Nullable String date) {
    Duration pause = Duration.between(date(date).orElseGet(Instant::now), then);
    if (pause.isNegative()) {
      return Duration.ZERO;
    }
    return pause.compareTo(AT_MOST) < 0 ? pause : AT_MOST;
  }

  private static Optional<Instant> date(@Nullable String value) {
    if (value == null) {
      return Optional.empty();
    }
    try {
      return Optional.of(DateTimeFormatter.RFC_1123_DATE_TIME.parse(value.strip(), Instant::from));
    } catch (DateTimeException e) {
      return Optional.empty();
    }
  }
}
