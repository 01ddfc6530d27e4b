// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples;

import dev.offmeter.meter.Cost;
import dev.offmeter.meter.MeterSnapshot;
import dev.offmeter.meter.MeterTotals;
import java.io.PrintStream;
import java.util.Locale;

/** What the batch cost, and what the baseline would have charged for it. */
final class CostSummary {
  private final PrintStream out;
  private final MeterSnapshot metered;

  CostSummary(PrintStream out, MeterSnapshot metered) {
    this.out = out;
    this.metered = metered;
  }

  void print() {
    MeterTotals total = metered.total();
    double seconds = total.computeTime().toMillis() / 1000.0;
    out.println(
        "Cost: " + total.cost() + String.format(Locale.ROOT, ", compute time: %.1f s", seconds));
    Cost reserve = total.baselineCost();
    out.println(
        reserve.isKnown()
            ? "The baseline would have charged " + reserve + ", saved: " + total.saved()
            : "No baseline to compare with: OFFMETER_BASELINE names an endpoint with a price");
    Cost each = metered.costPerOutcome(PaymentFollowUps.ACCEPTED);
    if (each.isKnown()) {
      out.println("Cost per accepted email: " + each);
    }
  }
}
