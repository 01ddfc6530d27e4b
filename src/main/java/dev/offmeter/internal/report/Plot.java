// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.report;

/** The field of a chart: its frame, and where a value lies in the picture. */
final class Plot {
  private static final int WIDTH = 460;
  private static final int HEIGHT = 260;
  private static final int LEFT = 58;
  private static final int RIGHT = WIDTH - 14;
  private static final int TOP = 26;
  static final int BOTTOM = HEIGHT - 40;

  private final Axis upwards;
  private final Svg svg;

  /**
   * Creates a chart with horizontal lines at the marks of its vertical axis.
   *
   * @param unit what the vertical axis counts
   * @param label what the chart shows, for those who do not see it
   */
  Plot(Axis upwards, String unit, String label) {
    this.upwards = upwards;
    this.svg = new Svg(WIDTH, HEIGHT, label);
    for (double value : upwards.values()) {
      svg.line("grid", LEFT, y(value), RIGHT, y(value));
      svg.text("end", LEFT - 6.0, y(value) + 4, upwards.label(value));
    }
    svg.text("start", 4, 13, unit);
  }

  Svg svg() {
    return svg;
  }

  /** Returns where a part of the chart's width lies, 0 at the left. */
  double x(double part) {
    return LEFT + (RIGHT - LEFT) * part;
  }

  double y(double value) {
    return BOTTOM - (BOTTOM - TOP) * upwards.at(value);
  }

  /** Adds a text below the horizontal axis. */
  void below(String anchor, double part, int line, String text) {
    svg.text(anchor, x(part), BOTTOM + 16.0 * line, text);
  }
}
