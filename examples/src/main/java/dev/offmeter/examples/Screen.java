// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples;

import dev.offmeter.Attempt;
import dev.offmeter.FailureKind;
import java.io.PrintStream;
import java.util.Map;

/** Shows a draft while it is written, and takes it back when it has become void. */
final class Screen {
  /** The column from which on a row ends at the next space, so that few words are cut in two. */
  private static final int NEARLY_FULL = 66;

  private final PrintStream out;
  private final boolean clears;
  private int rows;
  private int column;

  Screen(PrintStream out, boolean clears) {
    this.out = out;
    this.clears = clears;
  }

  /** Returns a screen that erases a void draft if the terminal can, and else says so in a line. */
  static Screen of(PrintStream out, Map<String, String> environment) {
    return new Screen(out, Terminal.canClear(environment));
  }

  void begins(Invoice invoice) {
    out.println();
    out.println("== " + invoice.number() + ", " + invoice.customer() + " ==");
    reset();
  }

  /** Prints the text without control characters: a model must not be able to steer the terminal. */
  void shows(String text) {
    text.codePoints()
        .map(c -> c == '\t' ? ' ' : c)
        .filter(c -> c == '\n' || !Character.isISOControl(c))
        .forEach(this::put);
    out.flush();
  }

  /** A terminal breaks rows where it likes; only those that are broken here can be counted. */
  private void put(int character) {
    boolean fills = clears && column >= NEARLY_FULL && character == ' ';
    if (character == '\n' || fills) {
      endsRow();
      return;
    }
    if (clears && column >= Terminal.COLUMNS) {
      endsRow();
    }
    out.print(Character.toString(character));
    column += Terminal.width(character);
  }

  private void endsRow() {
    out.println();
    rows++;
    column = 0;
  }

  void takesBack(Attempt failed) {
    if (clears) {
      clear();
    }
    ends();
    String why = failed.failure().map(FailureKind::name).orElse("");
    out.println("-- " + failed.endpoint() + ": " + why + "; its text is void, starting again --");
    reset();
  }

  /** Erases the draft's rows; those that have left the screen at its top are out of reach. */
  private void clear() {
    String up = rows == 0 ? "" : "\u001b[" + rows + "A";
    out.print("\r" + up + "\u001b[J");
    reset();
  }

  void ends() {
    if (column > 0) {
      endsRow();
    }
  }

  private void reset() {
    rows = 0;
    column = 0;
  }
}
