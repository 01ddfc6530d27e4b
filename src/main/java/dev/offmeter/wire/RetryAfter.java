// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.format.DateTimeFormatter;
import java.util.Optional;
import okhttp3.Headers;
import org.jspecify.annotations.Nullable;

/**
 * The pause that a server asks for: {@code Retry-After-Ms}, or {@code Retry-After} in seconds or as
 * a date (RFC 9110, section 10.2.3).
 */
final class RetryAfter {
  private RetryAfter() {}

  static Optional<Duration> of(Headers headers) {
    Optional<Duration> millis = seconds(headers.get("Retry-After-Ms"), 1e-3);
    if (millis.isPresent()) {
      return millis;
    }
    String value = headers.get("Retry-After");
    Optional<Duration> seconds = seconds(value, 1);
    return seconds.isPresent() ? seconds : until(value, headers.get("Date"));
  }

  private static Optional<Duration> seconds(@Nullable String value, double unit) {
    if (value == null) {
      return Optional.empty();
    }
    try {
      double seconds = Double.parseDouble(value.strip()) * unit;
      // A day bounds the arithmetic; what is made of the figure is the caller's affair.
      return seconds >= 0
          ? Optional.of(Duration.ofMillis((long) (Math.min(seconds, 86_400) * 1000)))
          : Optional.empty();
    } catch (NumberFormatException e) {
      return Optional.empty();
    }
  }

  /** Measured against the server's own clock, where it gives one. */
  private static Optional<Duration> until(@Nullable String value, @Nullable String date) {
    if (value == null) {
      return Optional.empty();
    }
    try {
      Instant now = date == null ? Instant.now() : instant(date);
      Duration pause = Duration.between(now, instant(value));
      return Optional.of(pause.isNegative() ? Duration.ZERO : pause);
    } catch (DateTimeException e) {
      return Optional.empty();
    }
  }

  private static Instant instant(String httpDate) {
    return DateTimeFormatter.RFC_1123_DATE_TIME.parse(httpDate.strip(), Instant::from);
  }
}
