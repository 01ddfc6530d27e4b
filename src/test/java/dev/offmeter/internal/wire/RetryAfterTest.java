// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Locale;
import okhttp3.Headers;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The pause that a server asks for. */
class RetryAfterTest {
  private static final String NOW = "Sat, 21 Nov 2026 09:17:27 GMT";

  private static Duration asked(String... headers) {
    return RetryAfter.of(Headers.of(headers)).orElse(null);
  }

  private static String date(Instant instant) {
    return DateTimeFormatter.RFC_1123_DATE_TIME.format(instant.atOffset(ZoneOffset.UTC));
  }

  @ParameterizedTest
  @CsvSource({
    "0, PT0S",
    "1, PT1S",
    "120, PT2M",
    "' 5 ', PT5S",
    "1.5, PT1.5S",
    "0.0001, PT0S",
    "86400, PT24H"
  })
  void readsSeconds(String value, Duration pause) {
    assertThat(asked("Retry-After", value)).isEqualTo(pause);
  }

  @Test
  void readsMillisecondsToTheMillisecond() {
    for (int millis = 0; millis < 5000; millis++) {
      assertThat(asked("Retry-After-Ms", String.valueOf(millis)))
          .isEqualTo(Duration.ofMillis(millis));
    }
  }

  @Test
  void prefersMillisecondsWhereTheyCanBeRead() {
    assertThat(asked("Retry-After", "9", "retry-after-ms", "1500"))
        .isEqualTo(Duration.ofMillis(1500));
    assertThat(asked("Retry-After", "9", "retry-after-ms", "soon"))
        .isEqualTo(Duration.ofSeconds(9));
    assertThat(asked("Retry-After", "9", "retry-after-ms", "-1")).isEqualTo(Duration.ofSeconds(9));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        " ",
        "-1",
        "-0.5",
        "NaN",
        "soon",
        "5 seconds",
        "PT5S",
        "1,5",
        "Sat, 21 Nov 2026",
        "2026-11-21T09:17:27Z",
        "Mon, 21 Nov 2026 09:17:27 GMT"
      })
  void leavesOutWhatItCannotRead(String value) {
    assertThat(asked("Retry-After", value)).isNull();
    assertThat(asked("Retry-After", value, "Date", NOW)).isNull();
  }

  @Test
  void nothingAskedIsNothing() {
    assertThat(asked("Date", NOW)).isNull();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "86401",
        "999999999999999999999",
        "1e300",
        "Infinity",
        "Fri, 31 Dec 9999 23:59:59 GMT"
      })
  void boundsEveryDelayByADay(String value) {
    assertThat(asked("Retry-After", value, "Date", NOW)).isEqualTo(Duration.ofDays(1));
    assertThat(asked("Retry-After", value)).isEqualTo(Duration.ofDays(1));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "Sat, 21 Nov 2026 09:17:37 GMT | PT10S",
        "Sat, 21 Nov 2026 09:17:27 GMT | PT0S",
        "Sat, 21 Nov 2026 09:17:26 GMT | PT0S",
        "Sun, 06 Nov 1994 08:49:37 GMT | PT0S",
        "Sat, 21 Nov 2026 10:17:28 +0100 | PT1S"
      })
  void measuresADateAgainstTheServersOwn(String value, Duration pause) {
    assertThat(asked("Retry-After", value, "Date", NOW)).isEqualTo(pause);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "yesterday", "1763716647"})
  void measuresADateAgainstThisClockWhereTheServerGivesNoneToRelyOn(String date) {
    String soon = date(Instant.now().plusSeconds(1000));

    assertThat(asked("Retry-After", soon))
        .isBetween(Duration.ofSeconds(900), Duration.ofSeconds(1000));
    assertThat(asked("Retry-After", soon, "Date", date))
        .isBetween(Duration.ofSeconds(900), Duration.ofSeconds(1000));
  }

  @Test
  void readsADateInEveryLocale() {
    Locale before = Locale.getDefault();
    Locale.setDefault(Locale.forLanguageTag("de"));
    try {
      assertThat(asked("Retry-After", "Sat, 12 Dec 2026 09:17:27 GMT", "Date", NOW)).isPositive();
    } finally {
      Locale.setDefault(before);
    }
  }
}
