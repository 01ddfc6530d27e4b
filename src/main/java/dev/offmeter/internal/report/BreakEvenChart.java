// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.report;

import dev.offmeter.internal.report.BreakEven.Counted;
import java.util.OptionalDouble;

/** The cost of a month by its tokens: with the node, counted in three ways, and the baseline. */
final class BreakEvenChart {
  /** How far the chart goes beyond what it must show. */
  private static final double MARGIN = 1.15;

  private static final double MILLION = 1e6;

  private final BreakEven curve;
  private final double now;
  private final Axis across;
  private final Plot plot;

  /**
   * Creates the chart.
   *
   * @param now the tokens a month that were measured
   */
  BreakEvenChart(BreakEven curve, double now, String currency) {
    this.curve = curve;
    this.now = now;
    this.across = Axis.upTo(most() / MILLION);
    double dearest = Math.max(curve.baseline(end()), curve.withNode(Counted.ALL, nodeEnd()));
    this.plot =
        new Plot(Axis.upTo(dearest), currency + " a month", "cost of a month by its tokens");
  }

  /** Returns the tokens that must be shown: those measured and all points of break-even. */
  private double most() {
    double most = now;
    for (Counted counted : Counted.values()) {
      most = Math.max(most, curve.tokens(counted).orElse(0));
    }
    return most * MARGIN;
  }

  private double end() {
    return across.end() * MILLION;
  }

  /** Returns where the node's lines end: it cannot do more. */
  private double nodeEnd() {
    return Math.min(end(), curve.mostTokens());
  }

  private double x(double tokens) {
    return plot.x(across.at(tokens / MILLION));
  }

  String html() {
    drawAxis();
    plot.svg().line("line baseline", x(0), plot.y(0), x(end()), plot.y(curve.baseline(end())));
    for (Counted counted : Counted.values()) {
      drawNode(counted);
    }
    if (curve.mostTokens() < end()) {
      double limit = x(curve.mostTokens());
      plot.svg().line("limit", limit, plot.y(0), limit, plot.x(0) / 2);
    }
    double charged = curve.baseline(now);
    plot.svg().dot("now", x(now), plot.y(charged), "measured: " + Numbers.millions(now));
    return plot.svg().html() + legend();
  }

  private void drawAxis() {
    for (double value : across.values()) {
      plot.below("middle", across.at(value), 1, across.label(value));
    }
    plot.below("end", 1, 2, "million tokens a month");
  }

  private void drawNode(Counted counted) {
    double to = nodeEnd();
    plot.svg()
        .line(
            style(counted),
            x(0),
            plot.y(curve.withNode(counted, 0)),
            x(to),
            plot.y(curve.withNode(counted, to)));
    OptionalDouble meets = curve.tokens(counted);
    if (meets.isPresent() && meets.getAsDouble() <= to) {
      double tokens = meets.getAsDouble();
      String title = counted.words() + ": breaks even at " + Numbers.millions(tokens);
      plot.svg().dot("meets", x(tokens), plot.y(curve.baseline(tokens)), title);
    }
  }

  private static String style(Counted counted) {
    return switch (counted) {
      case ALL -> "line all";
      case WITHOUT_YOUR_TIME -> "line untimed";
      case POWER -> "line power";
    };
  }

  private String legend() {
    Legend legend = new Legend().add("line baseline", "the baseline for all tokens");
    String with = curve.reserveShare() > 0 ? "node and reserve, " : "node, ";
    for (Counted counted : Counted.values()) {
      legend.add(style(counted), with + counted.words());
    }
    String limit =
        curve.mostTokens() < end() ? ", the upright line is the most that the node can do" : "";
    return legend.html()
        + "<p>Rings mark where the lines meet, the full dot is the month extrapolated from what was"
        + " measured"
        + limit
        + ".</p>\n";
  }
}
