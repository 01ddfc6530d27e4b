// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Texts with a surrogate that lacks its other half, such as one cut in the middle of an emoji.
 * UTF-8 cannot say that, and servers refuse what stands for it. In the setting of an endpoint it is
 * rejected; in a request, which half an emoji in a customer's name must not stop, that half becomes
 * U+FFFD, as in an answer.
 */
final class Surrogates {
  private static final char REPLACEMENT = '\ufffd';

  /** A pair of halves, one half that stands alone, or any other escape. */
  private static final Pattern ESCAPES =
      Pattern.compile(
          "\\\\(?:u[dD][89abAB]\\p{XDigit}{2}\\\\u[dD][c-fC-F]\\p{XDigit}{2}"
              + "|(u[dD][89a-fA-F]\\p{XDigit}{2})|.)");

  private Surrogates() {}

  /** The text, if each has its other half. */
  static String requirePaired(String field, String text) {
    int half = firstHalf(text, 0);
    if (half >= 0) {
      throw new IllegalArgumentException(
          field + " must not hold half a surrogate pair, has one at position " + half);
    }
    return text;
  }

  /** Returns the text with U+FFFD for each that lacks its other half. */
  static String mended(String text) {
    int half = firstHalf(text, 0);
    if (half < 0) {
      return text;
    }
    StringBuilder mended = new StringBuilder(text);
    while (half >= 0) {
      mended.setCharAt(half, REPLACEMENT);
      half = firstHalf(text, half + 1);
    }
    return mended.toString();
  }

  /**
   * Returns the JSON with U+FFFD for each that lacks its other half, written out or as an escape.
   */
  static String mendedJson(String json) {
    String mended = mended(json);
    return mended.contains("\\u")
        ? ESCAPES
            .matcher(mended)
            .replaceAll(
                escape ->
                    escape.group(1) == null
                        ? Matcher.quoteReplacement(escape.group())
                        : "\\\\ufffd")
        : mended;
  }

  private static int firstHalf(String text, int from) {
    for (int i = from; i < text.length(); i++) {
      char c = text.charAt(i);
      if (Character.isSurrogate(c)) {
        boolean pair = i + 1 < text.length() && Character.isSurrogatePair(c, text.charAt(i + 1));
        if (!pair) {
          return i;
        }
        i++;
      }
    }
    return -1;
  }
}
