// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.report;

import dev.offmeter.meter.MeterTotals;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** A bar for the compute time of each of a tag's values, the longest first. */
final class ComputeChart {
  private static final int MOST_BARS = 10;

  private ComputeChart() {}

  /** Returns the bars; empty if nothing was computed. */
  static String html(Map<String, MeterTotals> values) {
    List<Map.Entry<String, MeterTotals>> bars =
        values.entrySet().stream()
            .filter(value -> !value.getValue().computeTime().isZero())
            .sorted(Comparator.comparing(value -> value.getValue().computeTime().negated()))
            .limit(MOST_BARS)
            .toList();
    if (bars.isEmpty()) {
      return "";
    }
    double longest = bars.get(0).getValue().computeTime().toNanos();
    StringBuilder html = new StringBuilder("<div class=\"bars\" aria-hidden=\"true\">\n");
    for (Map.Entry<String, MeterTotals> bar : bars) {
      double width = 100 * bar.getValue().computeTime().toNanos() / longest;
      html.append("<div><bdi>")
          .append(Html.escape(bar.getKey()))
          .append("</bdi><svg><rect class=\"fill c0\" height=\"100%\" width=\"")
          .append(String.format(Locale.ROOT, "%.2f", width))
          .append("%\"/></svg></div>\n");
    }
    return html.append("</div>\n").toString();
  }
}
