// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples;

import dev.offmeter.ChatResponse;
import dev.offmeter.LlmException;
import java.io.IOException;
import java.io.PrintStream;
import java.util.function.Function;

/** Drafts one invoice after the other; what fails for one does not stop the rest. */
final class DraftRun {
  private final Function<Invoice, ChatResponse> answers;
  private final DraftFolder folder;
  private final PrintStream out;
  private final PrintStream err;

  DraftRun(
      Function<Invoice, ChatResponse> answers,
      DraftFolder folder,
      PrintStream out,
      PrintStream err) {
    this.answers = answers;
    this.folder = folder;
    this.out = out;
    this.err = err;
  }

  Report over(InvoiceCsv csv) throws CannotRun {
    Report report = new Report(out, csv.invoices().size(), csv.problems());
    report.begins(folder);
    for (Invoice invoice : csv.invoices()) {
      try {
        Draft draft = new Draft(invoice, answers.apply(invoice));
        write(draft);
        report.drafted(draft);
      } catch (LlmException e) {
        err.println("invoice " + invoice.number() + ": " + e.getMessage());
        report.failed(invoice);
      }
    }
    return report;
  }

  private void write(Draft draft) throws CannotRun {
    try {
      folder.write(draft);
    } catch (IOException e) {
      throw new CannotRun("cannot write the draft for " + draft.invoice().number(), e);
    }
  }
}
