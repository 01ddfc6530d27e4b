// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.report;

import dev.offmeter.guard.BudgetStatus;
import dev.offmeter.meter.MeterReport;
import dev.offmeter.meter.MeterSnapshot;
import java.time.Instant;
import java.time.ZoneId;
import java.util.List;

/** The report of one moment, written anew each time that it is asked for. */
public final class CostReport implements MeterReport {
  private final Figures figures;

  /**
   * Creates a report.
   *
   * @param snapshot all counts
   * @param until when they were taken
   * @param zone of the days
   * @param endpoints in the order in which they are asked
   * @param budgets their states; without one the report has no part about them
   */
  public CostReport(
      MeterSnapshot snapshot,
      Instant until,
      ZoneId zone,
      List<MeteredEndpoint> endpoints,
      List<BudgetStatus> budgets) {
    this.figures = new Figures(snapshot, until, zone, List.copyOf(endpoints), List.copyOf(budgets));
  }

  @Override
  public String html() {
    return HtmlPage.of(figures);
  }

  @Override
  public String csv() {
    return CsvFile.of(figures);
  }

  @Override
  public String text() {
    return TextPage.of(figures);
  }
}
