// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.config;

import java.time.DateTimeException;
import java.time.Duration;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Reads time spans as people write them. */
final class Durations {
  private static final Pattern SHORT = Pattern.compile("(\\d{1,9})(ms|s|m|h)");

  private static final Duration SHORTEST = Duration.ofMillis(1);
  private static final Duration LONGEST = Duration.ofHours(24);

  private Durations() {}

  /** Reads {@code 15s}, {@code 500ms}, {@code 2m}, {@code 1h} or ISO-8601, from 1 ms to 24 h. */
  static Duration parse(String variable, String text) {
    Duration duration = parseAny(variable, text);
    if (duration.compareTo(SHORTEST) < 0 || duration.compareTo(LONGEST) > 0) {
      throw new IllegalArgumentException(
          variable + " must be from 1 ms to 24 h, was '" + EndpointVariables.shown(text) + "'");
    }
    return duration;
  }

  private static Duration parseAny(String variable, String text) {
    Matcher matcher = SHORT.matcher(text);
    if (matcher.matches()) {
      long amount = Long.parseLong(matcher.group(1));
      return switch (matcher.group(2)) {
        case "ms" -> Duration.ofMillis(amount);
        case "s" -> Duration.ofSeconds(amount);
        case "m" -> Duration.ofMinutes(amount);
        default -> Duration.ofHours(amount);
      };
    }
    try {
      return Duration.parse(text);
    } catch (DateTimeException e) {
      throw new IllegalArgumentException(
          variable
              + " must be a time span such as 15s, 500ms, 2m or PT15S, was '"
              + EndpointVariables.shown(text)
              + "'",
          e);
    }
  }
}
