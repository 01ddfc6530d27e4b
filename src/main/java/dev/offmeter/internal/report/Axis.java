// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.report;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * An axis from 0 to a round number.
 *
 * @param step the distance between two marks
 * @param marks how many there are after 0
 */
record Axis(double step, int marks) {
  private static final int FEWEST = 3;

  /** Returns an axis that has a value on it. */
  static Axis upTo(double most) {
    if (!(most > 0)) {
      return new Axis(1, 1);
    }
    double raw = most / FEWEST;
    double power = Math.pow(10, Math.floor(Math.log10(raw)));
    double digit = raw / power;
    double step = power * (digit < 2 ? 1 : digit < 5 ? 2 : 5);
    return new Axis(step, (int) Math.ceil(most / step - 1e-9));
  }

  double end() {
    return step * marks;
  }

  /** Returns where a value lies on the axis: 0 at its beginning, 1 at its end. */
  double at(double value) {
    return value / end();
  }

  /** Returns the values of the marks, 0 first. */
  List<Double> values() {
    List<Double> values = new ArrayList<>();
    for (int i = 0; i <= marks; i++) {
      values.add(i * step);
    }
    return values;
  }

  /** Returns the words of a mark, with as many decimals as the steps need. */
  String label(double value) {
    int decimals = (int) Math.max(0, Math.ceil(-Math.log10(step) - 1e-9));
    return String.format(Locale.ROOT, "%,." + decimals + "f", value);
  }
}
