// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.meter;

/**
 * A report of what the calls of one client cost, up to one moment: cost by day and endpoint, the
 * share that own hardware answered, what was saved against the baseline, cost per outcome, compute
 * time by tag, attempts that were given up, and for each endpoint with an {@link Upkeep} where it
 * breaks even. A cost that is not known is shown as unknown. Holds no prompt and no answer.
 * Immutable, so safe for use by many threads.
 *
 * <pre>{@code
 * Files.writeString(Path.of("report.html"), llm.meter().report().html());
 * }</pre>
 *
 * <p>Break-even figures are extrapolated from the time since the client was built to a month of 730
 * hours: a short or unusual time gives a wrong month.
 */
public interface MeterReport {
  /**
   * Returns one page of HTML with its pictures in it: without a script, and without anything that
   * it would load. To be written as UTF-8.
   */
  String html();

  /**
   * Returns all counts as comma-separated values, a group of calls in each line: lines end with CR
   * and LF, the first has the names of the columns, and a value that is not known is {@code
   * unknown}. An apostrophe stands before a name that a spreadsheet would take for a formula.
   */
  String csv();

  /** Returns the page as text. */
  String text();
}
