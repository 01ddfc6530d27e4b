// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples;

import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** The output for the user: whole lines only, so that a pipe or a log file shows the same. */
final class Report {
  private final PrintStream out;
  private final int invoices;
  private final List<String> problems;
  private final List<Draft> drafts = new ArrayList<>();
  private int done;

  Report(PrintStream out, int invoices, List<String> problems) {
    this.out = out;
    this.invoices = invoices;
    this.problems = new ArrayList<>(problems);
  }

  void begins(DraftFolder folder) {
    out.println("Drafting " + counted(invoices, "email") + " into " + folder);
  }

  void drafted(Draft draft) {
    drafts.add(draft);
    String note = draft.isIncomplete() ? " INCOMPLETE" : "";
    String time = String.format(Locale.ROOT, "%.2f s", draft.seconds());
    progress(draft.invoice(), draft.author() + ", " + time + note);
  }

  void failed(Invoice invoice) {
    problems.add("invoice " + invoice.number() + ": no endpoint answered");
    progress(invoice, "no draft");
  }

  private void progress(Invoice invoice, String outcome) {
    int digits = String.valueOf(invoices).length();
    String place = String.format(Locale.ROOT, "[%" + digits + "d/%d] ", ++done, invoices);
    out.println(place + invoice.number() + ", " + invoice.customer() + ": " + outcome);
  }

  void summary() {
    out.println();
    new Table(drafts).print(out);
    out.println();
    out.println(counted(drafts.size(), "draft") + authors());
    long incomplete = drafts.stream().filter(Draft::isIncomplete).count();
    if (incomplete > 0) {
      out.println(incomplete + " INCOMPLETE: cut off at the token limit, not to be sent as is");
    }
    if (!problems.isEmpty()) {
      out.println(problems.size() + " without a draft:");
      problems.forEach(problem -> out.println("  " + problem));
    }
  }

  private String authors() {
    Map<String, Long> authors =
        drafts.stream()
            .collect(Collectors.groupingBy(Draft::author, TreeMap::new, Collectors.counting()));
    return authors.entrySet().stream()
        .map(author -> author.getValue() + " by " + author.getKey())
        .collect(Collectors.joining(", ", authors.isEmpty() ? "" : ": ", ""));
  }

  /** The drafts that can be sent as they are. */
  List<Invoice> accepted() {
    return drafts.stream().filter(draft -> !draft.isIncomplete()).map(Draft::invoice).toList();
  }

  boolean isFlawless() {
    return problems.isEmpty() && drafts.stream().noneMatch(Draft::isIncomplete);
  }

  private static String counted(int number, String thing) {
    return number + " " + thing + (number == 1 ? "" : "s");
  }
}
