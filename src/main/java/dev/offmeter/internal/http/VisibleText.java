// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

/** Tells which characters of a text are visible. */
final class VisibleText {
  /**
   * Letters and symbols by their category that are drawn as nothing: Hangul fillers, blank Braille.
   */
  private static final String FILLERS = "\u115f\u1160\u3164\uffa0\u2800";

  private VisibleText() {}

  /**
   * Returns whether nothing of the text is visible. {@code isBlank} would accept NUL, a no-break
   * space and a zero-width one as text. Ends at the first visible character, which is nearly always
   * the first of all.
   */
  static boolean isBlank(CharSequence text) {
    for (int at = 0; at < text.length(); ) {
      int codePoint = Character.codePointAt(text, at);
      if (isVisible(codePoint)) {
        return false;
      }
      at += Character.charCount(codePoint);
    }
    return true;
  }

  /** Returns whether the code point is visible when it stands alone. */
  static boolean isVisible(int codePoint) {
    return switch (Character.getType(codePoint)) {
      case Character.CONTROL,
          Character.FORMAT,
          Character.SPACE_SEPARATOR,
          Character.LINE_SEPARATOR,
          Character.PARAGRAPH_SEPARATOR,
          Character.NON_SPACING_MARK,
          Character.ENCLOSING_MARK,
          Character.UNASSIGNED ->
          false;
      default -> FILLERS.indexOf(codePoint) < 0;
    };
  }
}
