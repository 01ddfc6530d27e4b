// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.report;

import java.util.List;
import java.util.Optional;

/**
 * A part of the report.
 *
 * @param title its heading
 * @param sentences its text, a paragraph each
 * @param table its table, if it has one
 * @param picture a chart in HTML; empty if it has none
 */
record Section(String title, List<String> sentences, Optional<Table> table, String picture) {
  static Section of(String title, List<String> sentences, Table table) {
    return new Section(title, sentences, Optional.of(table), "");
  }

  Section withPicture(String html) {
    return new Section(title, sentences, table, html);
  }
}
