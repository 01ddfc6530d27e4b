// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.text.Normalizer;
import java.util.BitSet;
import java.util.List;
import java.util.Locale;
import java.util.function.Predicate;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Finds one text in another however it was changed on the way: escaped for JSON, HTML or a URL, in
 * other quotes or white space, with marks between its letters.
 */
final class EscapedTextFinder {
  private static final Pattern ESCAPED =
      Pattern.compile(
          "\\\\{1,8}u([0-9a-fA-F]{4})|\\\\{1,8}[nrtbf]|&#(\\d{1,7});|&#x([0-9a-fA-F]{1,6});|&\\w{2,8};");
  private static final Pattern PERCENT = Pattern.compile("(?:%[0-9a-fA-F]{2}){1,40}");

  /** The length of a shared number that is no coincidence. */
  private static final int DIGITS = 8;

  /**
   * The length of a shared run of Chinese or Japanese, whose characters each stand for a word or a
   * syllable.
   */
  private static final int DENSE = 6;

  private static final int HASHES = 1 << 16;

  /** The factor of {@link String#hashCode()}. */
  private static final int FACTOR = 31;

  private static final Pattern OTHER = Pattern.compile("[^\\p{L}\\p{N}]+");

  private EscapedTextFinder() {}

  /** Returns only the letters and digits of a text, unescaped and in lower case. */
  static String plain(String text) {
    String decoded = ESCAPED.matcher(text).replaceAll(EscapedTextFinder::character);
    decoded = PERCENT.matcher(decoded).replaceAll(EscapedTextFinder::percent);
    String folded = Normalizer.normalize(decoded, Normalizer.Form.NFKD);
    return OTHER.matcher(folded).replaceAll("").toLowerCase(Locale.ROOT);
  }

  /**
   * Returns the shown part of a text in plain form, and both its ends with enough of the hidden
   * text next to them that a run which begins or ends in the shown part is found.
   */
  static List<String> withEdges(String text, String shown, int run) {
    int same = 0;
    int most = Math.min(text.length(), shown.length());
    while (same < most && text.charAt(same) == shown.charAt(same)) {
      same++;
    }
    if (same == text.length()) {
      return List.of(plain(shown));
    }
    int last = 0;
    while (last < most - same
        && text.charAt(text.length() - 1 - last) == shown.charAt(shown.length() - 1 - last)) {
      last++;
    }
    String cut = plain(text.substring(same, text.length() - last));
    String before = plain(text.substring(0, same));
    String after = plain(text.substring(text.length() - last));
    int edge = Math.min(run - 1, cut.length());
    return List.of(
        plain(shown), before + cut.substring(0, edge), cut.substring(cut.length() - edge) + after);
  }

  private static String character(MatchResult escaped) {
    if (escaped.group(1) != null) {
      return quoted(Integer.parseInt(escaped.group(1), 16));
    }
    if (escaped.group(2) != null) {
      return quoted(Integer.parseInt(escaped.group(2)));
    }
    if (escaped.group(3) != null) {
      return quoted(Integer.parseInt(escaped.group(3), 16));
    }
    String name = escaped.group();
    // An accented letter of HTML is reduced to its letter, as one with its accent is elsewhere.
    return name.matches("&[A-Za-z](?:uml|acute|grave|circ|tilde|cedil|ring|slash);")
        ? name.substring(1, 2)
        : " ";
  }

  private static String quoted(int character) {
    return Character.isValidCodePoint(character)
        ? Matcher.quoteReplacement(Character.toString(character))
        : " ";
  }

  private static String percent(MatchResult encoded) {
    return Matcher.quoteReplacement(URLDecoder.decode(encoded.group(), StandardCharsets.UTF_8));
  }

  /**
   * Returns whether two plain texts share a run of this length, or one of {@link #DIGITS} digits or
   * of {@link #DENSE} dense characters; or whether the first contains all of the second, if that is
   * shorter than the run but at least half as long.
   */
  static boolean isContained(String plain, String said, int run) {
    if (said.length() < run && said.length() >= run / 2 && plain.contains(said)) {
      return true;
    }
    return hasSharedRun(plain, said, run, part -> true)
        || hasSharedRun(plain, said, DIGITS, EscapedTextFinder::isNumber)
        || hasSharedRun(plain, said, DENSE, EscapedTextFinder::isDense);
  }

  /** Looks up all runs of the second text, which may be long, by a rolling hash, in one pass. */
  private static boolean hasSharedRun(
      String plain, String said, int run, Predicate<String> counts) {
    BitSet hashes = new BitSet(HASHES);
    for (int i = 0; i + run <= plain.length(); i++) {
      String part = plain.substring(i, i + run);
      if (counts.test(part)) {
        hashes.set(part.hashCode() & (HASHES - 1));
      }
    }
    if (hashes.isEmpty() || said.length() < run) {
      return false;
    }
    int oldest = 1;
    for (int i = 0; i < run; i++) {
      oldest *= FACTOR;
    }
    int hash = 0;
    for (int end = 1; end <= said.length(); end++) {
      hash = FACTOR * hash + said.charAt(end - 1);
      hash -= end > run ? oldest * said.charAt(end - 1 - run) : 0;
      if (end >= run && hashes.get(hash & (HASHES - 1))) {
        String part = said.substring(end - run, end);
        if (counts.test(part) && plain.contains(part)) {
          return true;
        }
      }
    }
    return false;
  }

  private static boolean isNumber(String part) {
    return part.chars().allMatch(Character::isDigit);
  }

  private static boolean isDense(String part) {
    return part.chars()
        .allMatch(c -> (c >= '\u3040' && c <= '\u30ff') || Character.isIdeographic(c));
  }
}
