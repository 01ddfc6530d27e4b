// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.observe;

import java.util.List;
import java.util.function.IntPredicate;

/**
 * Writes rows in aligned columns.
 *
 * @param rows the head first; all of one length
 * @param words whether a column is of words, which are aligned at the left; figures are at the
 *     right
 */
record TextTable(List<List<String>> rows, IntPredicate words) {
  /** Stands for a value that there is not. */
  static final String NONE = "-";

  @Override
  public String toString() {
    StringBuilder table = new StringBuilder();
    for (List<String> row : rows) {
      StringBuilder line = new StringBuilder();
      for (int column = 0; column < row.size(); column++) {
        line.append(column == 0 ? "" : "  ").append(padded(row, column));
      }
      table.append(table.isEmpty() ? "" : "\n").append(line.toString().stripTrailing());
    }
    return table.toString();
  }

  private String padded(List<String> row, int column) {
    String cell = row.get(column);
    int width = rows.stream().mapToInt(each -> each.get(column).length()).max().orElse(0);
    String gap = " ".repeat(width - cell.length());
    return words.test(column) ? cell + gap : gap + cell;
  }
}
