// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonParser.NumberType;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;

/**
 * Reads numbers of tokens as servers write them. A value is a count if it is a number without a
 * fraction, not negative and not beyond what any model reads; any other value counts as unknown,
 * and costs no answer.
 */
public final class TokenCount {
  /** Stands for an unknown count. */
  static final int UNKNOWN = 0;

  /** Ten times the largest context on the market, and few enough that a sum does not overflow. */
  static final int MOST = 100_000_000;

  private TokenCount() {}

  /** Returns a count; {@link #UNKNOWN} if the value is none. */
  public static int of(JsonNode value) {
    return value.isNumber() ? of(value.doubleValue()) : UNKNOWN;
  }

  /**
   * Returns the count that the parser is at; {@link #UNKNOWN} if the value is none, which is
   * skipped then.
   */
  public static int of(JsonParser parser, JsonToken value) throws IOException {
    if (value == JsonToken.VALUE_NUMBER_INT && parser.getNumberType() == NumberType.INT) {
      return of(parser.getIntValue());
    }
    if (value.isNumeric()) {
      return of(parser.getDoubleValue());
    }
    parser.skipChildren();
    return UNKNOWN;
  }

  private static int of(double number) {
    boolean count = number >= 0 && number <= MOST && number == Math.rint(number);
    return count ? (int) number : UNKNOWN;
  }

  /**
   * Returns the sum of the counts that are present; {@link #UNKNOWN} if one of them is no count.
   */
  public static int sum(JsonNode counts, String... fields) {
    int sum = 0;
    for (String field : fields) {
      JsonNode value = counts.path(field);
      if (!value.isMissingNode() && !value.isNull()) {
        int count = of(value);
        if (count == UNKNOWN && !isZero(value)) {
          return UNKNOWN;
        }
        sum += count;
      }
    }
    return sum;
  }

  private static boolean isZero(JsonNode value) {
    return value.isNumber() && value.doubleValue() == 0;
  }
}
