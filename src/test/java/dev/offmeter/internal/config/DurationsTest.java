// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Time spans as people write them. */
class DurationsTest {
  @ParameterizedTest
  @CsvSource({
    "1ms, PT0.001S",
    "500ms, PT0.5S",
    "15s, PT15S",
    "2m, PT2M",
    "1h, PT1H",
    "24h, PT24H",
    "86400000ms, PT24H",
    "007s, PT7S",
    "PT15S, PT15S",
    "pt1m30s, PT90S",
    "P1D, PT24H",
    "PT0.001S, PT0.001S",
    "PT2M-30S, PT90S"
  })
  void readsShortAndIsoForms(String text, Duration duration) {
    assertThat(Durations.parse("NAME", text)).isEqualTo(duration);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        " ",
        " 15s ",
        "15",
        "s",
        "15 s",
        "1.5s",
        "15S",
        "15sec",
        "1d",
        "1h30m",
        "-15s",
        "+15s",
        "1_000ms",
        "0x10s",
        "9999999999s",
        "\u0661s",
        "PT",
        "P",
        "T15S",
        "PT15",
        "PT99999999999999999999S",
        "soon"
      })
  void anythingElseIsNamedWithItsVariable(String text) {
    assertThatThrownBy(() -> Durations.parse("NAME", text))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith("NAME must be a time span such as 15s")
        .hasMessageEndingWith("was '" + text + "'");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "0ms",
        "0s",
        "0h",
        "PT0S",
        "-PT1S",
        "PT-1S",
        "P-1D",
        "PT0.0009S",
        "25h",
        "86400001ms",
        "999999999h",
        "P2D",
        "PT24H0.001S",
        "P9999999D"
      })
  void aSpanOutOfBoundsIsNamedWithItsVariable(String text) {
    assertThatThrownBy(() -> Durations.parse("NAME", text))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith("NAME must be from 1 ms to 24 h")
        .hasMessageEndingWith("was '" + text + "'");
  }
}
