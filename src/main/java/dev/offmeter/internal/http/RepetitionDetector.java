// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import java.util.Arrays;

/**
 * Detects a text that ends in the same passage four times in a row, while it comes. A passage has
 * 40 to 2,000 characters, and is no repetition of a shorter one: rows of dashes and of spaces are
 * none, and neither are the records, rows and lines of data and code. Exact matches only.
 *
 * <p>Memory is constant: the last four longest passages. Work is constant for a character on
 * average. The lengths are divided into classes from one power of two to the next, and a class is
 * searched once in twice as many characters as its shortest passage has: often enough to see each
 * passage when it has come two or three times, and to look again where its fourth is complete.
 *
 * <p>Not safe for use by several threads.
 */
final class RepetitionDetector {
  /** The characters of a passage of 20 tokens, if they are short: two each. */
  static final int SHORTEST = 40;

  /** The characters of some 500 tokens: more than a paragraph. */
  static final int LONGEST = 2000;

  /** The times in a row that a passage comes in a text that counts as repeating itself. */
  static final int TIMES = 4;

  private static final int WINDOW = TIMES * LONGEST;

  /** The characters that must match before the lengths of a class are compared exactly. */
  private static final int PROMISING = 32;

  private static final String MARKS_OF_DATA = "{}[]<>|=;\\\t";

  /** The shortest passages of the classes. */
  private static final int[] CLASSES = {40, 80, 160, 320, 640, 1280};

  private char[] text = new char[0];
  private int length;
  private long characters;
  private int[] matches = new int[0];

  /** The characters that must come before each class is searched again. */
  private final int[] due = new int[CLASSES.length];

  /** The least of them, when the last search ended. */
  private int interval;

  /** The characters that are left of it. */
  private int untilDue;

  private int passage;
  private long steps;

  RepetitionDetector() {
    clear();
  }

  /**
   * Adds a delta.
   *
   * @return whether the text repeats itself; once it has, it always does
   */
  boolean add(String delta) {
    for (int from = 0; from < delta.length() && passage == 0; ) {
      if (length == text.length) {
        makeRoom();
      }
      int to = Math.min(delta.length(), from + Math.min(untilDue, text.length - length));
      delta.getChars(from, to, text, length);
      onAdded(to - from);
      from = to;
    }
    return passage > 0;
  }

  private void onAdded(int count) {
    length += count;
    characters += count;
    untilDue -= count;
    if (untilDue == 0) {
      searchDue();
    }
  }

  /** Searches the classes that are due, and finds out when the next is. */
  private void searchDue() {
    int next = Integer.MAX_VALUE;
    for (int i = 0; i < due.length && passage == 0; i++) {
      due[i] -= interval;
      if (due[i] == 0) {
        due[i] = search(CLASSES[i], Math.min(2 * CLASSES[i] - 1, LONGEST));
      }
      next = Math.min(next, due[i]);
    }
    interval = next;
    untilDue = next;
  }

  /** Forgets the text so far. */
  void clear() {
    length = 0;
    Arrays.setAll(due, i -> 2 * CLASSES[i]);
    interval = due[0];
    untilDue = due[0];
  }

  /** Returns how many characters the repeated passage has; 0 if there is none. */
  int passage() {
    return passage;
  }

  /** Returns how many characters were added. */
  long characters() {
    return characters;
  }

  /** Returns how many characters were compared, for a test of the work. */
  long steps() {
    return steps;
  }

  /** Grows up to twice the window; then forgets what lies before the window. */
  private void makeRoom() {
    if (length < 2 * WINDOW) {
      text = Arrays.copyOf(text, Math.min(2 * WINDOW, Math.max(256, 2 * length)));
    } else {
      System.arraycopy(text, length - WINDOW, text, 0, WINDOW);
      length = WINDOW;
    }
  }

  /**
   * Searches for a passage of {@code from} to {@code to} characters at the end of the text.
   *
   * @return after how many more characters to search again
   */
  private int search(int from, int to) {
    int longest = Math.min(to, length - PROMISING);
    char[] all = text;
    int last = length - 1;
    char wanted = all[last];
    int period = from;
    while (period <= longest && (all[last - period] != wanted || !isPromising(period))) {
      period++;
    }
    steps += Math.max(0, period - from);
    return period <= longest ? compare(from, longest) : 2 * from;
  }

  private boolean isPromising(int period) {
    int last = length - 1;
    int found = 0;
    while (found < PROMISING && text[last - found] == text[last - found - period]) {
      found++;
    }
    steps += found;
    return found == PROMISING;
  }

  private int compare(int from, int to) {
    computeMatches(to);
    int next = 2 * from;
    for (int period = from; period <= to; period++) {
      int missing = (TIMES - 1) * period - matches[period];
      if (missing <= 0 && !isOfShorter(TIMES * period) && isProse(period)) {
        passage = period;
        return next;
      }
      if (missing > 0 && matches[period] >= period) {
        next = Math.min(next, missing);
      }
    }
    return next;
  }

  /** Returns whether the last characters repeat something that is too short to be a passage. */
  private boolean isOfShorter(int last) {
    for (int period = 1; period < SHORTEST; period++) {
      if (matches[period] + period >= last) {
        return true;
      }
    }
    return false;
  }

  /**
   * Returns whether the last characters are prose: half of them letters, and none of the marks that
   * hold data and code together, where equal records, rows and lines are common.
   */
  private boolean isProse(int last) {
    int letters = 0;
    for (int i = length - last; i < length; i++) {
      if (MARKS_OF_DATA.indexOf(text[i]) >= 0) {
        return false;
      }
      letters += Character.isAlphabetic(text[i]) ? 1 : 0;
    }
    return 2 * letters >= last;
  }

  /**
   * Counts for each period how many characters at the end are those of a period before: the Z
   * function of the reversed text, in linear time.
   */
  private void computeMatches(int to) {
    if (matches.length <= to) {
      matches = new int[to + 1];
    }
    int last = length - 1;
    int most = Math.min(length, TIMES * to);
    int start = 0;
    int end = 0;
    for (int period = 1; period <= to; period++) {
      int found = period < end ? Math.min(end - period, matches[period - start]) : 0;
      while (period + found < most && text[last - found] == text[last - period - found]) {
        found++;
        steps++;
      }
      steps++;
      matches[period] = found;
      if (period + found > end) {
        start = period;
        end = period + found;
      }
    }
  }
}
