// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import java.util.Set;

/**
 * Finds how much of a text that still grows can be shown without showing part of a character. What
 * may continue is kept back until the next piece: half a surrogate pair, an emoji that a joiner or
 * a skin tone may follow, a letter that a mark may follow. After Latin, Greek and Cyrillic letters
 * nothing is kept back, though a mark may follow there too: models write "é" as one character, and
 * each piece of nearly every text would wait. Nor is it after ideographs, syllables and
 * punctuation.
 *
 * <p>The rule is simpler than Unicode's extended grapheme clusters (UAX 29), but never cuts inside
 * one.
 */
final class GraphemeBoundaries {
  private static final int LAST_ASCII = 0x7f;
  private static final int JOINER = 0x200d;
  private static final int NON_JOINER = 0x200c;

  /**
   * The longest character in UTF-16 units; anything longer is a run of marks that must not be kept
   * back for ever.
   */
  private static final int LONGEST = 64;

  /** Signs that join a consonant to the next, in the scripts of UAX 29, rule GB9c. */
  private static final String LINKERS = "\u094d\u09cd\u0acd\u0b4d\u0c4d\u0d4d";

  /** Scripts whose letters are written as one code point. */
  private static final Set<Character.UnicodeScript> WHOLE =
      Set.of(
          Character.UnicodeScript.LATIN,
          Character.UnicodeScript.GREEK,
          Character.UnicodeScript.CYRILLIC);

  private GraphemeBoundaries() {}

  /** Returns the end, not before {@code from}, of what can be shown of {@code text}. */
  static int end(CharSequence text, int from) {
    return end(text, from, text.length());
  }

  private static int end(CharSequence text, int from, int length) {
    if (length <= from || text.charAt(length - 1) <= LAST_ASCII) {
      return length;
    }
    if (Character.isHighSurrogate(text.charAt(length - 1))) {
      return end(text, from, length - 1);
    }
    if (isStandalone(Character.codePointBefore(text, length))) {
      return length;
    }
    int start = start(text, length);
    return length - start > LONGEST ? length : Math.max(from, start);
  }

  /** Returns where the last character begins, which may be incomplete. */
  private static int start(CharSequence text, int length) {
    int at = length;
    boolean joins = true;
    while (joins && at > 0 && length - at <= LONGEST) {
      int point = Character.codePointBefore(text, at);
      at -= Character.charCount(point);
      joins = at > 0 && isJoined(text, at, point);
    }
    return at;
  }

  /** Returns whether the code point at {@code at} belongs to the one before it. */
  private static boolean isJoined(CharSequence text, int at, int point) {
    int before = Character.codePointBefore(text, at);
    return isExtender(point)
        || before == JOINER
        || LINKERS.indexOf(before) >= 0
        || (isJamo(point) && isJamo(before))
        || (isFlag(point) && countFlagsBefore(text, at) % 2 == 1);
  }

  private static boolean isExtender(int point) {
    boolean skinTone = point >= 0x1f3fb && point <= 0x1f3ff;
    boolean tag = point >= 0xe0020 && point <= 0xe007f;
    return isMark(point) || point == JOINER || point == NON_JOINER || skinTone || tag;
  }

  private static boolean isMark(int point) {
    int type = Character.getType(point);
    return type == Character.NON_SPACING_MARK
        || type == Character.ENCLOSING_MARK
        || type == Character.COMBINING_SPACING_MARK;
  }

  /**
   * Returns whether the code point is a Hangul jamo, which makes a syllable only together with
   * others.
   */
  private static boolean isJamo(int point) {
    return (point >= 0x1100 && point <= 0x11ff)
        || (point >= 0xa960 && point <= 0xa97f)
        || (point >= 0xd7b0 && point <= 0xd7ff);
  }

  /** Returns whether the code point is half of a flag: one letter of a country's code. */
  private static boolean isFlag(int point) {
    return point >= 0x1f1e6 && point <= 0x1f1ff;
  }

  private static int countFlagsBefore(CharSequence text, int end) {
    int flags = 0;
    int at = end;
    while (at > 1 && flags < LONGEST && isFlag(Character.codePointBefore(text, at))) {
      flags++;
      at -= 2;
    }
    return flags;
  }

  /** Returns whether hardly any code point joins this one. */
  private static boolean isStandalone(int point) {
    return Character.isIdeographic(point)
        || WHOLE.contains(Character.UnicodeScript.of(point))
        || isSyllable(point)
        || isPunctuation(point);
  }

  private static boolean isSyllable(int point) {
    return point >= 0xac00 && point <= 0xd7a3;
  }

  private static boolean isPunctuation(int point) {
    // Some punctuation marks are drawn as emoji when a variation selector follows.
    boolean emoji = point == 0x203c || point == 0x2049 || point == 0x3030 || point == 0x303d;
    return switch (Character.getType(point)) {
      case Character.CONNECTOR_PUNCTUATION,
          Character.DASH_PUNCTUATION,
          Character.START_PUNCTUATION,
          Character.END_PUNCTUATION,
          Character.INITIAL_QUOTE_PUNCTUATION,
          Character.FINAL_QUOTE_PUNCTUATION,
          Character.OTHER_PUNCTUATION,
          Character.CURRENCY_SYMBOL,
          Character.SPACE_SEPARATOR ->
          !emoji;
      default -> false;
    };
  }
}
