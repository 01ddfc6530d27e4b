// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Random;

/** What befalls a node in a year, and when: the same for everybody who calls it. */
record Fate(List<Blow> blows) {
  /** After one, nothing else for so long that the node is up again. */
  private static final Duration REST = Duration.ofMinutes(5);

  record Blow(Outage what, long at, Duration lasts) {}

  static Fate of(List<Assumptions.Trouble> troubles, long seed) {
    Random random = new Random(seed);
    List<Blow> drawn = new ArrayList<>();
    for (Assumptions.Trouble trouble : troubles) {
      draw(trouble, random, drawn);
    }
    drawn.sort(Comparator.comparingLong(Blow::at));
    List<Blow> apart = new ArrayList<>();
    long free = 0;
    for (Blow blow : drawn) {
      if (blow.at() >= free) {
        apart.add(blow);
        free = blow.at() + blow.lasts().plus(REST).toNanos();
      }
    }
    return new Fate(apart);
  }

  private static void draw(Assumptions.Trouble trouble, Random random, List<Blow> drawn) {
    double year = Duration.ofDays(Assumptions.DAYS).toNanos();
    double gap = year / trouble.perYear();
    for (double at = next(gap, random); at < year; at += next(gap, random)) {
      double least = trouble.least().toNanos();
      double most = trouble.most().toNanos();
      // Evenly in the logarithm.
      double lasts = least * Math.pow(most / least, random.nextDouble());
      drawn.add(new Blow(trouble.what(), (long) at, Duration.ofNanos((long) lasts)));
    }
  }

  static double next(double mean, Random random) {
    return -mean * Math.log(1 - random.nextDouble());
  }

  void befalls(VirtualNode node) {
    for (Blow blow : blows) {
      node.time().at(blow.at(), () -> blow.what().befalls(node, blow.lasts()));
    }
  }
}
