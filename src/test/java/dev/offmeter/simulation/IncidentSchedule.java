// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.simulation;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Random;

/** The outages of a node in a year, and their times: the same for each way of calling it. */
record IncidentSchedule(List<Incident> blows) {
  /** The time after an outage without another, so that the node is up again. */
  private static final Duration REST = Duration.ofMinutes(5);

  record Incident(Outage what, long at, Duration lasts) {}

  static IncidentSchedule of(List<Assumptions.Incidents> troubles, long seed) {
    Random random = new Random(seed);
    List<Incident> drawn = new ArrayList<>();
    for (Assumptions.Incidents trouble : troubles) {
      draw(trouble, random, drawn);
    }
    drawn.sort(Comparator.comparingLong(Incident::at));
    List<Incident> apart = new ArrayList<>();
    long free = 0;
    for (Incident blow : drawn) {
      if (blow.at() >= free) {
        apart.add(blow);
        free = blow.at() + blow.lasts().plus(REST).toNanos();
      }
    }
    return new IncidentSchedule(apart);
  }

  private static void draw(Assumptions.Incidents trouble, Random random, List<Incident> drawn) {
    double year = Duration.ofDays(Assumptions.DAYS).toNanos();
    double gap = year / trouble.perYear();
    for (double at = nextGap(gap, random); at < year; at += nextGap(gap, random)) {
      double least = trouble.least().toNanos();
      double most = trouble.most().toNanos();
      // Evenly in the logarithm.
      double lasts = least * Math.pow(most / least, random.nextDouble());
      drawn.add(new Incident(trouble.what(), (long) at, Duration.ofNanos((long) lasts)));
    }
  }

  static double nextGap(double mean, Random random) {
    return -mean * Math.log(1 - random.nextDouble());
  }

  void schedule(VirtualNode node) {
    for (Incident blow : blows) {
      node.time().at(blow.at(), () -> blow.what().begin(node, blow.lasts()));
    }
  }
}
