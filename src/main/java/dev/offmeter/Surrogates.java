// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Handles texts with a surrogate that lacks its other half, such as one cut in the middle of an
 * emoji. UTF-8 cannot encode it, and servers reject its escape. In an endpoint's settings it is
 * rejected; in a request, which half an emoji in a customer's name must not stop, it becomes
 * U+FFFD, as in an answer.
 */
final class Surrogates {
  private static final char REPLACEMENT = '\ufffd';

  /** A surrogate pair, a lone half, or any other escape. */
  private static final Pattern ESCAPES =
      Pattern.compile(
          "\\\\(?:u[dD][89abAB]\\p{XDigit}{2}\\\\u[dD][c-fC-F]\\p{XDigit}{2}"
              + "|(u[dD][89a-fA-F]\\p{XDigit}{2})|.)");

  private Surrogates() {}

  /** Returns the text; rejects one with a lone half. */
  static String requirePaired(String field, String text) {
    int half = firstHalf(text, 0);
    if (half >= 0) {
      throw new IllegalArgumentException(
          field + " must not hold half a surrogate pair, has one at position " + half);
    }
    return text;
  }

  /** Returns the text with U+FFFD for each lone half. */
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

  /** Returns the JSON with U+FFFD for each lone half, written out or escaped. */
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
