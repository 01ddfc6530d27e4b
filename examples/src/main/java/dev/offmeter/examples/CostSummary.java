// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples;

import dev.offmeter.meter.Cost;
import dev.offmeter.meter.MeterTotals;
import java.io.PrintStream;
import java.util.Locale;

/** What the batch cost, and what the baseline would have charged for it. */
final class CostSummary {
  private final PrintStream out;
  private final MeterTotals total;

  CostSummary(PrintStream out, MeterTotals total) {
    this.out = out;
    this.total = total;
  }

  void print() {
    double seconds = total.computeTime().toMillis() / 1000.0;
    out.println(
        "Cost: " + total.cost() + String.format(Locale.ROOT, ", compute time: %.1f s", seconds));
    Cost reserve = total.baselineCost();
    out.println(
        reserve.isKnown()
            ? "The baseline would have charged " + reserve + ", saved: " + total.saved()
            : "No baseline to compare with: OFFMETER_BASELINE names an endpoint with a price");
  }
}
