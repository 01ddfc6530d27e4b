// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.report;

import java.util.ArrayList;
import java.util.List;

/**
 * A table of the report.
 *
 * @param texts how many columns from the left are texts; the others are numbers
 * @param header the names of the columns
 * @param rows a cell for each column
 */
record Table(int texts, List<String> header, List<List<String>> rows) {
  /** The most rows of a table that is to be read; CSV has all. */
  private static final int MOST_ROWS = 40;

  static Table of(int texts, String... header) {
    return new Table(texts, List.of(header), new ArrayList<>());
  }

  /** Adds a row, unless there are too many to read. */
  void add(String... cells) {
    if (rows.size() < MOST_ROWS) {
      rows.add(List.of(cells));
    }
  }

  /** Returns a sentence about rows that are left out; empty if there are none. */
  static List<String> leftOut(int rows) {
    return rows <= MOST_ROWS
        ? List.of()
        : List.of("Shown are " + MOST_ROWS + " of " + rows + "; the CSV has all.");
  }
}
