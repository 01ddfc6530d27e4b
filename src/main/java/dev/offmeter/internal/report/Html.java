// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.report;

/** Text as HTML and SVG show it. */
final class Html {
  private Html() {}

  /**
   * Returns a text that is safe in an element and in a quoted attribute. Control characters, which
   * HTML forbids, and halves of surrogate pairs are replaced.
   */
  static String escape(String text) {
    StringBuilder escaped = new StringBuilder(text.length() + 16);
    text.codePoints().forEach(point -> append(escaped, point));
    return escaped.toString();
  }

  private static void append(StringBuilder escaped, int point) {
    switch (point) {
      case '&' -> escaped.append("&amp;");
      case '<' -> escaped.append("&lt;");
      case '>' -> escaped.append("&gt;");
      case '"' -> escaped.append("&quot;");
      case '\'' -> escaped.append("&#39;");
      default -> escaped.appendCodePoint(isShown(point) ? point : '\uFFFD');
    }
  }

  /** Returns a text without what would move a terminal's cursor or change its colours. */
  static String printable(String text) {
    StringBuilder safe = new StringBuilder(text.length());
    text.codePoints().forEach(point -> safe.appendCodePoint(isShown(point) ? point : '\uFFFD'));
    return safe.toString();
  }

  private static boolean isShown(int point) {
    return switch (Character.getType(point)) {
      case Character.CONTROL, Character.SURROGATE, Character.UNASSIGNED -> false;
      default -> true;
    };
  }
}
