// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The shapes that an error's body has. */
class ErrorBodyTest {
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{\"error\":\"boom\"} | boom | ``",
        "{\"error\":\"boom\",\"error_type\":\"overloaded\"} | boom | overloaded",
        "{\"error\":{\"message\":\"boom\",\"type\":\"t\",\"code\":null}} | boom | t",
        "{\"error\":{\"message\":\"boom\"}} | boom | ``",
        "{\"error\":{\"type\":\"t\"}} | `` | t",
        "{\"error\":\"{\\\"error\\\":{\\\"message\\\":\\\"boom\\\","
            + "\\\"type\\\":\\\"t\\\"}}\"} | boom | t",
        "{\"error\":\"{\\\"error\\\":\\\"boom\\\"}\"} | boom | ``",
        "{\"error\":\"{\\\"message\\\":\\\"boom\\\"}\"} | boom | ``",
        "{\"error\":\"[{\\\"error\\\":\\\"boom\\\"}]\"} | boom | ``",
        "{\"error\":\"{no json}\"} | {no json} | ``",
        "{\"error\":\"{}\"} | {} | ``",
        "[{\"error\":{\"message\":\"boom\",\"status\":\"X\"}}] | boom | X",
        "[{\"error\":\"boom\"}] | boom | ``",
        "{\"detail\":\"boom\"} | boom | ``",
        "{\"message\":\"boom\"} | boom | ``",
        "{\"object\":\"error\",\"message\":\"boom\",\"type\":\"t\"} | boom | t",
        "{\"type\":\"about:blank\",\"title\":\"T\",\"detail\":\"boom\"} | boom | about:blank",
        "{\"title\":\"boom\"} | boom | ``",
        "{\"error\":\"boom\",\"message\":\"more\"} | boom | ``",
        "`  {\"error\":\"boom\"}\n` | boom | ``",
        "{\"error\":\"\"} | `` | ``"
      })
  void readsTheTextAndTheType(String body, String message, String type) {
    assertThat(ErrorBody.parse(body)).isEqualTo(new ErrorBody(true, message, type, ""));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "  ",
        "boom",
        "null",
        "\"boom\"",
        "42",
        "<html>",
        "{",
        "{}",
        "[]",
        "[[]]",
        "[1]",
        "{\"error\":\"cut",
        "[{\"error\":\"a\"},{\"error\":\"b\"}]",
        "{\"error\":null}",
        "{\"error\":42}",
        "{\"error\":{}}",
        "{\"status\":\"ok\"}"
      })
  void anythingElseSaysNothing(String body) {
    assertThat(ErrorBody.parse(body)).isEqualTo(new ErrorBody(false, "", "", ""));
  }

  @Test
  void noNestingIsTooDeep() {
    String deep = "[".repeat(30_000) + "]".repeat(30_000);

    assertThat(ErrorBody.parse(deep).json()).isFalse();
    assertThat(ErrorBody.parse("{\"error\":" + deep + "}").json()).isFalse();

    String quoted = "boom";
    for (int depth = 0; depth < 10; depth++) {
      quoted = "{\"error\":\"" + quoted.replace("\\", "\\\\").replace("\"", "\\\"") + "\"}";
    }
    assertThat(ErrorBody.parse(quoted).message()).isEqualTo("boom");
  }
}
