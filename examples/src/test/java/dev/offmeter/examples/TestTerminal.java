// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;

/** A terminal of 80 columns and enough rows, each character one wide. */
final class TestTerminal {
  private static final Pattern PART = Pattern.compile("\u001b\\[(\\??\\d*)([AJhl])|\r|\n|.");

  private final List<String> rows = new ArrayList<>(List.of(""));
  private int row;
  private int column;
  private boolean cursor = true;
  private boolean breaks = true;

  /** Returns whether the terminal is as it was found: with its cursor, and breaking long rows. */
  static boolean isRestored(String text) {
    TestTerminal terminal = new TestTerminal();
    PART.matcher(text).results().forEach(terminal::take);
    return terminal.cursor && terminal.breaks;
  }

  static List<String> showing(String text) {
    TestTerminal terminal = new TestTerminal();
    PART.matcher(text).results().forEach(terminal::take);
    return terminal.rows;
  }

  private void take(MatchResult part) {
    switch (part.group().charAt(0)) {
      case '\r' -> column = 0;
      case '\n' -> down();
      case '\u001b' -> obey(part.group(1), part.group(2));
      default -> write(part.group());
    }
  }

  private void down() {
    row++;
    column = 0;
    if (row == rows.size()) {
      rows.add("");
    }
  }

  private void write(String character) {
    if (column == 80 && breaks) {
      down();
    }
    column = Math.min(column, 79);
    rows.set(row, rows.get(row).substring(0, column) + character);
    column++;
  }

  private void obey(String number, String order) {
    if (number.startsWith("?")) {
      boolean isOf25 = number.equals("?25");
      cursor = isOf25 ? order.equals("h") : cursor;
      breaks = isOf25 ? breaks : order.equals("h");
    } else if (order.equals("A")) {
      row = Math.max(0, row - Integer.parseInt(number));
    } else {
      rows.set(row, rows.get(row).substring(0, column));
      rows.subList(row + 1, rows.size()).clear();
    }
  }
}
