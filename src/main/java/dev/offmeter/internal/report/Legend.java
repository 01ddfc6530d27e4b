// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.report;

/** The names of a chart's colours; in HTML, where a long name takes another line. */
final class Legend {
  private final StringBuilder items = new StringBuilder();

  /** Adds a colour and its name. */
  Legend add(String style, String name) {
    items
        .append("<li><svg class=\"key\" viewBox=\"0 0 24 12\" aria-hidden=\"true\">")
        .append(
            style.startsWith("fill")
                ? "<rect class=\"" + style + "\" width=\"24\" height=\"12\"/>"
                : "<line class=\"" + style + "\" x1=\"0\" y1=\"6\" x2=\"24\" y2=\"6\"/>")
        .append("</svg> <bdi>")
        .append(Html.escape(name))
        .append("</bdi></li>\n");
    return this;
  }

  String html() {
    return "<ul class=\"legend\">\n" + items + "</ul>\n";
  }
}
