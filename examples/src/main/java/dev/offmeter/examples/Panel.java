// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples;

import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.Charset;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * Rows at the end of the output that are drawn anew in their place; everything else goes through
 * {@link #above} and scrolls by over them. Where nothing can be drawn anew the rows are printed one
 * after the other. Safe for use by several threads.
 */
final class Panel implements AutoCloseable {
  private static final String HIDE_CURSOR = "\u001b[?25l";
  private static final String SHOW_CURSOR = "\u001b[?25h";

  /** A row that a narrow terminal broke in two would be counted as one. */
  private static final String CUT_ROWS = "\u001b[?7l";

  private static final String BREAK_ROWS = "\u001b[?7h";

  private final PrintStream out;
  private final boolean inPlace;
  private final Thread whenKilled = new Thread(this::end, "panel-end");
  private List<String> rows = List.of();
  private boolean ended;

  Panel(PrintStream out, boolean inPlace) {
    this.out = out;
    this.inPlace = inPlace;
    if (inPlace) {
      Runtime.getRuntime().addShutdownHook(whenKilled);
      print(HIDE_CURSOR);
    }
  }

  static Panel of(PrintStream out, Map<String, String> environment) {
    return new Panel(out, Terminal.canClear(environment));
  }

  boolean isInPlace() {
    return inPlace;
  }

  synchronized void show(List<String> next) {
    if (ended) {
      return;
    }
    String cleared = cleared();
    rows = next.stream().map(Terminal::row).toList();
    print(cleared + drawn());
  }

  /** A stream to {@code to} whose whole lines come to stand above the rows. */
  PrintStream above(PrintStream to, Charset charset) {
    return new PrintStream(new Lines(to, charset), true, charset);
  }

  private synchronized void printAbove(PrintStream to, String line) {
    boolean redraws = inPlace && !ended;
    print(redraws ? cleared() : "");
    to.print(line);
    to.flush();
    print(redraws ? drawn() : "");
  }

  /**
   * Returns the codes that erase the rows; those that have left the screen at its top are out of
   * reach.
   */
  private String cleared() {
    return !inPlace || rows.isEmpty() ? "" : "\r\u001b[" + rows.size() + "A\u001b[J";
  }

  private String drawn() {
    String end = System.lineSeparator();
    String lines = rows.stream().map(row -> row + end).collect(Collectors.joining());
    return inPlace && !rows.isEmpty() ? CUT_ROWS + lines + BREAK_ROWS : lines;
  }

  private void print(String text) {
    out.print(text);
    out.flush();
  }

  /** The rows stay as they are. */
  @Override
  public void close() {
    end();
    try {
      Runtime.getRuntime().removeShutdownHook(whenKilled);
    } catch (IllegalStateException e) {
      // The program is being ended, and the hook does the same.
    }
  }

  private synchronized void end() {
    if (!ended && inPlace) {
      print(SHOW_CURSOR);
    }
    ended = true;
  }

  private final class Lines extends OutputStream {
    private final PrintStream to;
    private final Charset charset;
    private final ByteArrayOutputStream line = new ByteArrayOutputStream();

    Lines(PrintStream to, Charset charset) {
      this.to = to;
      this.charset = charset;
    }

    @Override
    public void write(int b) {
      line.write(b);
      if (b == '\n') {
        printAbove(to, line.toString(charset));
        line.reset();
      }
    }
  }
}
