// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.simulation;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;

/** The outcomes of a year's calls. */
final class Tally {
  private final List<Long> lost = new ArrayList<>();
  private final List<Long> waited = new ArrayList<>();
  private int answered;
  private int atHome;

  /**
   * One call, in nanoseconds.
   *
   * @param by which node has answered it, empty for none
   * @param total from its beginning to its end
   * @param lost how much of that went to attempts that gave no answer
   * @param work how much of it its answer took to make
   */
  record CallOutcome(String by, long total, long lost, long work) {
    static CallOutcome unanswered(long total) {
      return new CallOutcome("", total, total, 0);
    }
  }

  void add(CallOutcome call) {
    lost.add(call.lost());
    waited.add(call.total() - call.work());
    answered += call.by().isEmpty() ? 0 : 1;
    atHome += call.by().equals(SimulatedYear.HOME) ? 1 : 0;
  }

  int calls() {
    return lost.size();
  }

  double answered() {
    return 100.0 * answered / calls();
  }

  double atHome() {
    return 100.0 * atHome / calls();
  }

  /** Seconds spent on attempts that gave no answer. */
  double lost(double share) {
    return quantile(lost, share);
  }

  /** Seconds spent on anything but the making of the answer. */
  double waited(double share) {
    return quantile(waited, share);
  }

  /** Hours spent on attempts that gave no answer, in all. */
  double lost() {
    return lost.stream().mapToLong(Long::longValue).sum() / 3600e9;
  }

  /** The nearest rank. */
  private static double quantile(List<Long> values, double share) {
    List<Long> sorted = new ArrayList<>(values);
    Collections.sort(sorted);
    return sorted.get((int) Math.ceil(share * sorted.size()) - 1) / 1e9;
  }

  /** The cells of a row of the table. */
  String cells() {
    return String.format(
        Locale.ROOT,
        "%.2f %% | %.1f %% | %.1f | %.1f | %.1f | %.2f | %.1f | %.1f",
        answered(),
        atHome(),
        lost(0.5),
        lost(0.99),
        lost(0.999),
        lost(),
        waited(0.99),
        waited(0.999));
  }
}
