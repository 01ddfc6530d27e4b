// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.schema;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** An answer is checked against a schema that a caller wrote. Backticks stand for quotes. */
class JsonSchemaValidatorTest {
  private static String json(String text) {
    return text.replace('`', '"');
  }

  private static AttemptException misfit(String schema, String answer) {
    return catchThrowableOfType(
        AttemptException.class, () -> JsonSchemaValidator.check(json(schema), json(answer)));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{`type`:`object`} | {}",
        "{`type`:`object`} | {`any`:[1,{`thing`:null}]}",
        "{} | 7",
        "{`type`:[`string`,`null`]} | null",
        "{`type`:`string`,`nullable`:true} | null",
        "{`type`:`STRING`} | `x`",
        "{`type`:`integer`} | 3.0",
        "{`type`:`integer`} | 12345678901234567890",
        "{`type`:`number`} | -1e5",
        "{`enum`:[`a`,2,null]} | 2.0",
        "{`enum`:[`a`,2,null]} | null",
        "{`const`:{`a`:1}} | {`a`:1}",
        "{`type`:`array`,`items`:{`type`:`string`}} | []",
        "{`type`:`array`,`items`:{`type`:`string`}} | [`a`,`b`]",
        "{`type`:`array`,`prefixItems`:[{}],`items`:{`type`:`string`}} | [1,2]",
        "{`properties`:{`a`:{`type`:`string`}}} | {`b`:1}",
        "{`properties`:{`a`:{`type`:`string`}}} | `no object`",
        "{`additionalProperties`:false,`patternProperties`:{`.`:{}}} | {`b`:1}",
        "{`additionalProperties`:{`type`:`string`}} | {`b`:`x`}",
        "{`anyOf`:[{`type`:`string`},{`type`:`null`}]} | null",
        "{`oneOf`:[{`type`:`string`},{`type`:`number`}]} | 1",
        "{`$ref`:`#/$defs/x`,`minLength`:5,`pattern`:`^q`,`allOf`:[{`type`:`null`}]} | `x`",
        "{`type`:`date`} | `x`",
        "{`type`:`object`} | ```json {} ```",
        "{`type`:`object`} | ```{`a`:1}```"
      })
  void whatFitsIsLetThrough(String schema, String answer) {
    assertThatCode(() -> JsonSchemaValidator.check(json(schema), fenced(answer)))
        .doesNotThrowAnyException();
  }

  private static String fenced(String answer) {
    return answer.startsWith("```")
        ? "```" + json(answer.substring(3, answer.length() - 3)) + "```"
        : json(answer);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{`type`:`object`} | [] | $ must be of type object",
        "{`type`:`object`} | Dear Zoë | the answer is not JSON",
        "{`type`:`object`} | {`a`:1 | the answer is not JSON",
        "{`type`:`object`} | {} {} | the answer has text after its JSON",
        "{`type`:`object`} | {`a`:1,`a`:2} | the answer has a property twice",
        "{`type`:`object`} | null | $ must not be null",
        "{`type`:[`string`,`integer`]} | 1.5 | $ must be of type string or integer",
        "{`type`:`boolean`} | `true` | $ must be of type boolean",
        "{`type`:`number`} | `42` | $ must be of type number",
        "{`required`:[`a`]} | {`b`:1} | $.a is missing",
        "{`properties`:{`a`:{`type`:`string`}}} | {`a`:1} | $.a must be of type string",
        "{`properties`:{`a`:{}},`additionalProperties`:false} | {`q`:1} "
            + "| $ has a property that was not asked for",
        "{`items`:{`enum`:[`a`]}} | [`a`,`q`] | $[1] must be one of the values of its enum",
        "{`const`:1} | 2 | $ must be its const",
        "{`properties`:{`a`:{`items`:{`required`:[`b`]}}}} | {`a`:[{}]} | $.a[0].b is missing",
        "{`anyOf`:[{`type`:`null`},{`type`:`string`}]} | 1 | $ must be of type string",
        "{`anyOf`:[{`type`:`boolean`},{`type`:`string`},{`type`:`null`}]} | 1 "
            + "| $ matches none of its alternatives"
      })
  void whatDoesNotFitSaysWhereAndWhichRule(String schema, String answer, String message) {
    AttemptException misfit = misfit(schema, answer);

    assertThat(misfit.kind()).isEqualTo(FailureKind.FORMAT_MISMATCH);
    assertThat(misfit.message()).isEqualTo(message);
  }

  @Test
  void aNumberOfAThousandMillionDigitsIsNotWrittenOut() {
    assertThat(misfit("{`type`:`integer`,`enum`:[1]}", "1e999999999").message())
        .isEqualTo("$ must be one of the values of its enum");
  }
}
