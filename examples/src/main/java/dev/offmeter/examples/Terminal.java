// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples;

import java.io.Console;
import java.util.Map;

/** Facts about the terminal, if there is one. */
final class Terminal {
  /** Below the 80 of a common terminal: Java cannot ask for the width of this one. */
  static final int COLUMNS = 78;

  /** The first character of those that take two columns; some above it take but one. */
  private static final int WIDE = 0x1100;

  private static final String MORE = "...";

  private Terminal() {}

  /** Returns whether printed text can be erased. */
  static boolean canClear(Map<String, String> environment) {
    boolean plain =
        environment.getOrDefault("TERM", "dumb").equals("dumb")
            || !environment.getOrDefault("NO_COLOR", "").isEmpty();
    return !plain && isTerminal(System.console());
  }

  /** Returns whether the console is a terminal: from JDK 22 on, it may be none. */
  private static boolean isTerminal(Console console) {
    try {
      return console != null && (boolean) Console.class.getMethod("isTerminal").invoke(console);
    } catch (ReflectiveOperationException e) {
      return true;
    }
  }

  /** Returns the number of columns that a character takes. */
  static int width(int character) {
    return character < WIDE ? 1 : 2;
  }

  /** Returns as much of a text as one row holds, without what could steer the terminal. */
  static String row(String text) {
    String plain = text.replaceAll("\\p{Cc}", " ");
    return plain.codePoints().map(Terminal::width).sum() <= COLUMNS
        ? plain
        : cut(plain, COLUMNS - MORE.length()) + MORE;
  }

  private static String cut(String text, int columns) {
    int end = 0;
    for (int used = 0; end < text.length(); end += Character.charCount(text.codePointAt(end))) {
      used += width(text.codePointAt(end));
      if (used > columns) {
        break;
      }
    }
    return text.substring(0, end);
  }
}
