// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

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

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{\"title\":\"T\",\"detail\":\"boom\",\"status\":500} | boom | 500",
        "{\"error\":\"Bad Request\",\"message\":\"boom\",\"statusCode\":400} | boom | 400",
        "{\"error\":\"Boom\",\"message\":\"more\",\"statusCode\":400} | Boom | 400",
        "{\"error\":{\"message\":\"boom\",\"code\":\"c\"}} | boom | c",
        "{\"error\":{\"message\":\"boom\",\"code\":503}} | boom | 503",
        "{\"error\":[\"boom\"]} | boom | ``",
        "{\"error\":[{\"message\":\"boom\",\"code\":7}]} | boom | 7",
        "{\"error\":{\"detail\":\"boom\"}} | boom | ``",
        "{\"error\":{\"error\":{\"message\":\"boom\"}}} | boom | ``",
        "{\"errors\":[{\"message\":\"boom\",\"code\":5006}],\"success\":false} | boom | 5006",
        "{\"error\":\"Upstream said: {\\\"error\\\":{\\\"message\\\":\\\"boom\\\"}}\"} | Upstream said: boom | ``",
        "{\"error parsing tool call\":\"boom\"} | error parsing tool call: boom | ``"
      })
  void readsTheTextAndTheCodeOfManyFrameworks(String body, String message, String code) {
    ErrorBody error = ErrorBody.parse(body);

    assertThat(error.message()).isEqualTo(message);
    assertThat(error.code()).isEqualTo(code);
    assertThat(error.json()).isTrue();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"detail\":[{\"loc\":[\"body\",\"messages\",0,\"content\"],\"msg\":\"Field required\","
            + "\"type\":\"missing\",\"input\":{\"a\":\"Kern\"},\"ctx\":\"Kern\"}]}",
        "{\"message\":{\"detail\":[{\"loc\":[\"body\",\"messages\",0,\"content\"],"
            + "\"msg\":\"Field required\",\"type\":\"missing\",\"input\":\"Kern\"}]}}",
        "{\"error\":{\"message\":\"[{'type': 'missing', 'loc': ('body', 'messages', 0, 'content'), "
            + "'msg': 'Field required', 'input': {'a': 'Kern'}}]\"}}"
      })
  void takesOfAValidationOnlyWhereAndWhat(String body) {
    assertThat(ErrorBody.parse(body).message())
        .isEqualTo("body.messages.0.content: Field required (missing)");
  }

  @Test
  void aPlaceThatIsNoNameIsNotTaken() {
    String body = "{\"detail\":[{\"loc\":[\"body\",\"Kern owes 5\"],\"msg\":\"x\"}]}";

    assertThat(ErrorBody.parse(body).message()).isEqualTo("body....: x");
  }

  @Test
  void leavesTheSourceOfATemplateOut() {
    String message =
        "\n------------\nWhile executing CallExpression at line 189, column 32 in source:\n"
            + "{%- if a %}{{- raise_exception('x') }}\n   ^\nError: Jinja Exception: roles must alternate";

    assertThat(ErrorBody.ofText(message).message())
        .isEqualTo("Jinja Exception: roles must alternate");
  }
}
