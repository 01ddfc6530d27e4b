// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.report;

import java.util.Locale;

/** Writes one picture. Coordinates have two decimals: a pixel is larger than that. */
final class Svg {
  private final StringBuilder body = new StringBuilder();
  private final int width;
  private final int height;
  private final String label;

  /**
   * Creates an empty picture.
   *
   * @param label what it shows, for those who do not see it
   */
  Svg(int width, int height, String label) {
    this.width = width;
    this.height = height;
    this.label = label;
  }

  private static String number(double coordinate) {
    return String.format(Locale.ROOT, "%.2f", coordinate);
  }

  private Svg attribute(String name, double value) {
    return raw(" " + name + "=\"" + number(value) + "\"");
  }

  private Svg raw(String text) {
    body.append(text);
    return this;
  }

  Svg line(String style, double x1, double y1, double x2, double y2) {
    raw("<line class=\"" + style + "\"").attribute("x1", x1).attribute("y1", y1);
    return attribute("x2", x2).attribute("y2", y2).raw("/>\n");
  }

  /** Adds a rectangle with a text that is shown when it is pointed at. */
  Svg bar(String style, double x, double y, double width, double height, String title) {
    raw("<rect class=\"" + style + "\"").attribute("x", x).attribute("y", y);
    attribute("width", width).attribute("height", height);
    return raw("><title>" + Html.escape(title) + "</title></rect>\n");
  }

  Svg dot(String style, double x, double y, String title) {
    raw("<circle class=\"" + style + "\" r=\"4.5\"").attribute("cx", x).attribute("cy", y);
    return raw("><title>" + Html.escape(title) + "</title></circle>\n");
  }

  /**
   * Adds a text.
   *
   * @param anchor where x lies in it: {@code start}, {@code middle} or {@code end}
   */
  Svg text(String anchor, double x, double y, String text) {
    raw("<text text-anchor=\"" + anchor + "\"").attribute("x", x).attribute("y", y);
    return raw(">" + Html.escape(text) + "</text>\n");
  }

  /** Returns the picture, as wide as the page. */
  String html() {
    return "<svg viewBox=\"0 0 "
        + width
        + " "
        + height
        + "\" role=\"img\" aria-label=\""
        + Html.escape(label)
        + "\">\n"
        + body
        + "</svg>\n";
  }
}
