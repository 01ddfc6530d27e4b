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
  private static final int MOST = 100_000_000;

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
    return isCount(number) ? (int) number : UNKNOWN;
  }

  private static boolean isCount(double number) {
    return number >= 0 && number <= MOST && number == Math.rint(number);
  }

  /** Returns whether the value is a count, which may be 0. */
  static boolean isCount(JsonNode value) {
    return value.isNumber() && isCount(value.doubleValue());
  }
}
