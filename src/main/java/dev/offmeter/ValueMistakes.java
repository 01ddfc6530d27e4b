// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import java.util.Optional;
import java.util.regex.Pattern;

/**
 * Finds mistakes that shells, {@code .env} files and templates leave in a value. Nothing is
 * repaired: each is a rule that the value breaks.
 */
final class ValueMistakes {
  private static final String QUOTES = "\"'`\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb";

  /**
   * A placeholder that some tool should have replaced: a shell, Compose, Spring, Jinja, Maven,
   * Windows, a person.
   */
  private static final Pattern UNFILLED =
      Pattern.compile(
          "(?s).*\\$\\{.*|.*\\$\\(.*|.*#\\{.*|.*\\{\\{.*|\\$[A-Za-z_]\\w*|%[A-Za-z_]\\w*%"
              + "|@[A-Za-z_][\\w.]*@|<[^<>]+>|os\\.environ/.*");

  private ValueMistakes() {}

  /** Returns the rule that a value breaks, if there is one. */
  static Optional<String> find(String value) {
    if (hasUnseen(value)) {
      return Optional.of("must not hold a control character or one that cannot be seen");
    }
    if (!value.equals(value.strip()) || isSpace(value, 0) || isSpace(value, value.length() - 1)) {
      return Optional.of("must not begin or end with a space");
    }
    if (isQuote(value, 0) || isQuote(value, value.length() - 1)) {
      return Optional.of("must not have quotes around it");
    }
    return UNFILLED.matcher(value).matches()
        ? Optional.of("must not be a placeholder that was to be replaced")
        : Optional.empty();
  }

  /** Returns a value as a message may show it: on one line, whatever it holds. */
  static String shown(String value) {
    StringBuilder shown = new StringBuilder();
    value
        .codePoints()
        .forEach(
            c -> {
              if (c == '\n' || c == '\r' || c == '\t') {
                shown.append(c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t");
              } else if (isUnseen(c)) {
                shown.append(String.format("\\u%04x", c));
              } else {
                shown.appendCodePoint(c);
              }
            });
    return shown.toString();
  }

  private static boolean hasUnseen(String value) {
    for (int at = 0; at < value.length(); at += Character.charCount(value.codePointAt(at))) {
      if (isUnseen(value.codePointAt(at))) {
        return true;
      }
    }
    return false;
  }

  private static boolean isUnseen(int c) {
    return switch (Character.getType(c)) {
      case Character.CONTROL,
          Character.FORMAT,
          Character.LINE_SEPARATOR,
          Character.PARAGRAPH_SEPARATOR,
          Character.SURROGATE ->
          true;
      default -> false;
    };
  }

  private static boolean isSpace(String value, int at) {
    return at >= 0 && at < value.length() && Character.isSpaceChar(value.charAt(at));
  }

  private static boolean isQuote(String value, int at) {
    return at >= 0 && at < value.length() && QUOTES.indexOf(value.charAt(at)) >= 0;
  }
}
