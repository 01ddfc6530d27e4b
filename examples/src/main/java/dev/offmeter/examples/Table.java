// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples;

import java.io.PrintStream;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import java.util.function.ToIntFunction;

/** One line per draft, and one of totals. */
final class Table {
  private final List<Draft> drafts;
  private final String columns;

  Table(List<Draft> drafts) {
    this.drafts = drafts;
    int invoice = width("invoice", draft -> draft.invoice().number());
    int endpoint = width("endpoint", draft -> draft.answer().endpoint());
    this.columns = "%-" + invoice + "s  %-" + endpoint + "s  %8s  %8s  %9s  %10s%s%n";
  }

  private int width(String heading, Function<Draft, String> cell) {
    return drafts.stream()
        .mapToInt(draft -> cell.apply(draft).length())
        .reduce(heading.length(), Math::max);
  }

  void print(PrintStream out) {
    out.printf(
        columns, "invoice", "endpoint", "attempts", "seconds", "tokens in", "tokens out", "");
    drafts.forEach(draft -> print(out, draft));
    out.printf(
        columns,
        "total",
        "",
        sum(Draft::attempts),
        seconds(drafts.stream().mapToDouble(Draft::seconds).sum()),
        tokens(sum(Draft::tokensIn)),
        tokens(sum(Draft::tokensOut)),
        "");
  }

  private void print(PrintStream out, Draft draft) {
    out.printf(
        columns,
        draft.invoice().number(),
        draft.answer().endpoint(),
        draft.attempts(),
        seconds(draft.seconds()),
        tokens(draft.tokensIn()),
        tokens(draft.tokensOut()),
        draft.isIncomplete() ? "  INCOMPLETE" : "");
  }

  private int sum(ToIntFunction<Draft> number) {
    return drafts.stream().mapToInt(number).sum();
  }

  private static String seconds(double seconds) {
    return String.format(Locale.ROOT, "%.2f", seconds);
  }

  /** Zero stands for "not reported", which is what a template always does. */
  private static String tokens(int reported) {
    return reported == 0 ? "-" : String.valueOf(reported);
  }
}
