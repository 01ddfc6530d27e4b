// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.endpoint;

import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.text.Normalizer;
import java.util.List;
import java.util.Locale;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Finds one text in another whatever was done to it on the way: escaped for JSON, HTML or a URL, in
 * other quotes or other white space, with marks between its letters.
 */
final class Echo {
  private static final Pattern ESCAPED =
      Pattern.compile(
          "\\\\{1,8}u([0-9a-fA-F]{4})|\\\\{1,8}[nrtbf]|&#(\\d{1,7});|&#x([0-9a-fA-F]{1,6});|&\\w{2,8};");
  private static final Pattern PERCENT = Pattern.compile("(?:%[0-9a-fA-F]{2}){1,40}");

  /** So many characters of Chinese or Japanese say as much as a run of letters does. */
  private static final int DENSE = 6;

  private static final Pattern OTHER = Pattern.compile("[^\\p{L}\\p{N}]+");

  private Echo() {}

  /** The letters and digits of a text alone, unescaped and in lower case. */
  static String plain(String text) {
    String decoded = ESCAPED.matcher(text).replaceAll(Echo::character);
    decoded = PERCENT.matcher(decoded).replaceAll(Echo::percent);
    String folded = Normalizer.normalize(decoded, Normalizer.Form.NFKD);
    return OTHER.matcher(folded).replaceAll("").toLowerCase(Locale.ROOT);
  }

  /**
   * What is shown of a text, in plain form, and its two ends with as much of what was cut out
   * behind the one and before the other as makes any run tell that begins or ends in what is shown.
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
    // An accented letter of HTML keeps its letter, as it does when its accent is taken off.
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
   * Whether two plain texts have a run of this length in common, or one of {@link #DENSE}
   * characters that each stand for a word or a syllable; or the first holds the second whole, if
   * that is shorter than the run but not than half of it.
   */
  static boolean isIn(String plain, String said, int run) {
    if (said.length() < run && said.length() >= run / 2 && plain.contains(said)) {
      return true;
    }
    for (int i = 0; i + DENSE <= plain.length(); i++) {
      boolean whole = i + run <= plain.length() && said.contains(plain.substring(i, i + run));
      if (whole || (isDense(plain, i) && said.contains(plain.substring(i, i + DENSE)))) {
        return true;
      }
    }
    return false;
  }

  private static boolean isDense(String plain, int from) {
    for (int i = from; i < from + DENSE; i++) {
      char c = plain.charAt(i);
      boolean kana = c >= '\u3040' && c <= '\u30ff';
      if (!kana && !Character.isIdeographic(c)) {
        return false;
      }
    }
    return true;
  }
}
