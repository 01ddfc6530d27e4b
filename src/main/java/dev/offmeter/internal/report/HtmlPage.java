// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.report;

import java.util.List;

/** Writes the report as one page. */
final class HtmlPage {
  private final StringBuilder html = new StringBuilder();

  private HtmlPage() {}

  static String of(Figures figures) {
    HtmlPage page = new HtmlPage();
    page.begin();
    page.headline(new Headline(figures));
    new Sections(figures).all().forEach(page::section);
    page.html.append("</main>\n</body>\n</html>\n");
    return page.html.toString();
  }

  private void begin() {
    String title = Html.escape(Headline.TITLE);
    html.append("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n")
        // No text in it can make the page load or run anything, should an escape ever be missing.
        .append("<meta http-equiv=\"Content-Security-Policy\"")
        .append(" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>\n")
        .append("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n")
        .append("<meta name=\"color-scheme\" content=\"light dark\"/>\n")
        .append("<title>" + title + "</title>\n<style>\n" + Style.SHEET + "</style>\n")
        .append("</head>\n<body>\n<main>\n<h1>" + title + "</h1>\n");
  }

  private void headline(Headline headline) {
    html.append("<p>" + Html.escape(headline.time()) + "</p>\n<div class=\"figures\">\n");
    for (Headline.Item item : headline.items()) {
      html.append("<div><h2>" + Html.escape(item.label()) + "</h2>\n")
          .append("<strong>" + Html.escape(item.value()) + "</strong>\n")
          .append("<small>" + Html.escape(item.note()) + "</small></div>\n");
    }
    html.append("</div>\n");
  }

  private void section(Section section) {
    html.append("<section>\n<h2><bdi>" + Html.escape(section.title()) + "</bdi></h2>\n");
    section.sentences().forEach(text -> html.append("<p>" + Html.escape(text) + "</p>\n"));
    html.append(section.picture());
    section.table().ifPresent(this::table);
    html.append("</section>\n");
  }

  private void table(Table table) {
    html.append("<div class=\"wide\"><table>\n<thead>");
    row("th", table, table.header());
    html.append("</thead>\n<tbody>\n");
    table.rows().forEach(row -> row("td", table, row));
    html.append("</tbody>\n</table></div>\n");
  }

  private void row(String element, Table table, List<String> cells) {
    html.append("<tr>");
    for (int i = 0; i < cells.size(); i++) {
      String open = i < table.texts() ? "<" + element + ">" : "<" + element + " class=\"number\">";
      html.append(open + "<bdi>" + Html.escape(cells.get(i)) + "</bdi></" + element + ">");
    }
    html.append("</tr>\n");
  }
}
