// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.report;

import dev.offmeter.meter.MeterTotals;
import java.util.Map;

/** One bar with a part for the answers of each endpoint. */
final class AnswerChart {
  private static final int WIDTH = 460;
  private static final int HEIGHT = 26;

  private final Map<String, MeterTotals> rows;
  private final Figures figures;

  AnswerChart(Figures figures) {
    this.figures = figures;
    this.rows = figures.byEndpoint();
  }

  /** Returns the bar and its legend; empty if nothing was answered. */
  String html() {
    long all = rows.values().stream().mapToLong(Figures::answers).sum();
    if (all == 0) {
      return "";
    }
    Svg svg = new Svg(WIDTH, HEIGHT, "share of the answers by endpoint");
    Legend legend = new Legend();
    double left = 0;
    int index = 0;
    for (Map.Entry<String, MeterTotals> row : rows.entrySet()) {
      long answers = Figures.answers(row.getValue());
      double width = (double) answers / all * WIDTH;
      String share = row.getKey() + " " + Numbers.ratio(answers, all);
      String kind = figures.kind(row.getKey());
      if (answers > 0) {
        svg.bar(DayChart.colour(index), left, 0, width, HEIGHT, share);
        legend.add(DayChart.colour(index), share + (kind.isEmpty() ? "" : ", " + kind));
      }
      left += width;
      index++;
    }
    return svg.html() + legend.html();
  }
}
