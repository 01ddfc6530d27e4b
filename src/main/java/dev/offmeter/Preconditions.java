// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import java.time.Duration;
import java.util.Objects;

/** Checks that several builders share; each message gives field, rule and value. */
final class Preconditions {
  private static final Duration SHORTEST = Duration.ofMillis(1);
  private static final Duration LONGEST = Duration.ofHours(24);

  private Preconditions() {}

  /**
   * Checks a time span. The bounds keep every timeout in whole milliseconds and clear of overflow.
   */
  static Duration timeSpan(String field, Duration value) {
    Objects.requireNonNull(value, field);
    if (value.compareTo(SHORTEST) < 0 || value.compareTo(LONGEST) > 0) {
      throw new IllegalArgumentException(field + " must be from 1 ms to 24 h, was " + value);
    }
    return value;
  }

  /** Checks that a value is one line without the mistakes that configurations bring with them. */
  static String plain(String field, String value) {
    ValueMistakes.find(notBlank(field, value))
        .ifPresent(
            rule -> {
              throw new IllegalArgumentException(
                  field + " " + rule + ", was '" + ValueMistakes.shown(value) + "'");
            });
    return value;
  }

  static String notBlank(String field, String value) {
    Objects.requireNonNull(value, field);
    if (value.isBlank()) {
      throw new IllegalArgumentException(
          field + " must not be blank, was '" + ValueMistakes.shown(value) + "'");
    }
    return value;
  }
}
