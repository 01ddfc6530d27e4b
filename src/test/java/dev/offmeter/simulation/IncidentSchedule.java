// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.simulation;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Random;

/** The outages of a node in a year, and their times: the same for each way of calling it. */
record IncidentSchedule(List<Incident> incidents) {
  /** The time after an outage without another, so that the node is up again. */
  private static final Duration REST = Duration.ofMinutes(5);

  record Incident(Outage what, long at, Duration lasts) {}

  static IncidentSchedule of(List<Assumptions.Incidents> kinds, long seed) {
    Random random = new Random(seed);
    List<Incident> drawn = new ArrayList<>();
    for (Assumptions.Incidents kind : kinds) {
      draw(kind, random, drawn);
    }
    drawn.sort(Comparator.comparingLong(Incident::at));
    List<Incident> apart = new ArrayList<>();
    long free = 0;
    for (Incident incident : drawn) {
      if (incident.at() >= free) {
        apart.add(incident);
        free = incident.at() + incident.lasts().plus(REST).toNanos();
      }
    }
    return new IncidentSchedule(apart);
  }

  private static void draw(Assumptions.Incidents kind, Random random, List<Incident> drawn) {
    double year = Duration.ofDays(Assumptions.DAYS).toNanos();
    double gap = year / kind.perYear();
    for (double at = nextGap(gap, random); at < year; at += nextGap(gap, random)) {
      double least = kind.least().toNanos();
      double most = kind.most().toNanos();
      // Evenly in the logarithm.
      double lasts = least * Math.pow(most / least, random.nextDouble());
      drawn.add(new Incident(kind.what(), (long) at, Duration.ofNanos((long) lasts)));
    }
  }

  static double nextGap(double mean, Random random) {
    return -mean * Math.log(1 - random.nextDouble());
  }

  void schedule(VirtualNode node) {
    for (Incident incident : incidents) {
      node.time().at(incident.at(), () -> incident.what().begin(node, incident.lasts()));
    }
  }
}
