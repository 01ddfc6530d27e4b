// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.config;

import java.util.Collection;
import java.util.Comparator;
import java.util.Locale;
import java.util.Optional;

/** Finds the known name that an unknown one was probably meant to be. */
public final class NearestName {
  private NearestName() {}

  /**
   * Returns a known name that differs by one or two typing errors; case and separators do not
   * matter.
   */
  public static Optional<String> of(String name, Collection<String> known) {
    String wanted = letters(name);
    int most = wanted.length() <= 4 ? 0 : wanted.length() <= 7 ? 1 : 2;
    return known.stream()
        .filter(candidate -> distance(wanted, letters(candidate)) <= most)
        .min(
            Comparator.<String>comparingInt(candidate -> distance(wanted, letters(candidate)))
                .thenComparing(Comparator.naturalOrder()));
  }

  private static String letters(String name) {
    return name.toLowerCase(Locale.ROOT).replaceAll("[^a-z0-9]", "");
  }

  /** Returns the edit distance: letters omitted, added, replaced, or exchanged with a neighbour. */
  private static int distance(String a, String b) {
    if (Math.abs(a.length() - b.length()) > 2) {
      return Integer.MAX_VALUE;
    }
    int[][] cost = new int[a.length() + 1][b.length() + 1];
    for (int i = 0; i <= a.length(); i++) {
      for (int j = 0; j <= b.length(); j++) {
        cost[i][j] = i == 0 || j == 0 ? i + j : step(a, b, i, j, cost);
      }
    }
    return cost[a.length()][b.length()];
  }

  private static int step(String a, String b, int i, int j, int[][] cost) {
    boolean same = a.charAt(i - 1) == b.charAt(j - 1);
    int least = Math.min(cost[i - 1][j], cost[i][j - 1]) + 1;
    least = Math.min(least, cost[i - 1][j - 1] + (same ? 0 : 1));
    boolean exchanged =
        i > 1 && j > 1 && a.charAt(i - 1) == b.charAt(j - 2) && a.charAt(i - 2) == b.charAt(j - 1);
    return exchanged ? Math.min(least, cost[i - 2][j - 2] + 1) : least;
  }
}
