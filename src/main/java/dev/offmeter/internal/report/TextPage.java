// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.report;

import java.util.ArrayList;
import java.util.List;

/** Writes the report as text, for a terminal or a mail. */
final class TextPage {
  private static final int WIDTH = 78;

  private final StringBuilder text = new StringBuilder();

  private TextPage() {}

  static String of(Figures figures) {
    TextPage page = new TextPage();
    page.headline(new Headline(figures));
    new Sections(figures).all().forEach(page::section);
    return page.text.toString();
  }

  private void headline(Headline headline) {
    title(Headline.TITLE);
    paragraph(headline.time());
    for (Headline.Item item : headline.items()) {
      String note = item.note().isEmpty() ? "" : " (" + item.note() + ")";
      paragraph(item.label() + ": " + item.value() + note);
    }
  }

  private void title(String title) {
    String line = Html.printable(title);
    text.append(line).append('\n').append("=".repeat(line.length())).append('\n');
  }

  private void section(Section section) {
    text.append('\n');
    title(section.title());
    section.sentences().forEach(this::paragraph);
    section.table().ifPresent(this::table);
  }

  /** Adds a text in lines of at most 78 characters, where its words allow it. */
  private void paragraph(String sentence) {
    StringBuilder line = new StringBuilder();
    for (String word : Html.printable(sentence).split(" ", -1)) {
      if (!line.isEmpty() && line.length() + 1 + word.length() > WIDTH) {
        text.append(line).append('\n');
        line.setLength(0);
      }
      line.append(line.isEmpty() ? "" : " ").append(word);
    }
    text.append(line).append('\n');
  }

  private void table(Table table) {
    List<List<String>> rows = new ArrayList<>();
    rows.add(table.header());
    rows.addAll(table.rows());
    int[] widths = new int[table.header().size()];
    for (List<String> row : rows) {
      for (int i = 0; i < widths.length; i++) {
        widths[i] = Math.max(widths[i], Html.printable(row.get(i)).length());
      }
    }
    rows.forEach(row -> row(row, widths, table.texts()));
  }

  private void row(List<String> cells, int[] widths, int texts) {
    StringBuilder line = new StringBuilder();
    for (int i = 0; i < widths.length; i++) {
      String cell = Html.printable(cells.get(i));
      String space = " ".repeat(widths[i] - cell.length());
      line.append(i == 0 ? "" : "  ").append(i < texts ? cell + space : space + cell);
    }
    text.append(line.toString().stripTrailing()).append('\n');
  }
}
