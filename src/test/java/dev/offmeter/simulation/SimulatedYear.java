// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.simulation;

import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.function.Function;

/** A year of calls to two nodes, in virtual time. */
final class SimulatedYear {
  static final String HOME = "mac-mini";
  static final String ARM = "arm-node";

  private final VirtualTime time = new VirtualTime();
  private final Random arrivals = new Random(Assumptions.SEED);
  private final Tally tally = new Tally();
  private final Nodes nodes;
  private final CallStrategy way;
  private double worked;
  private int calls;

  /** The two nodes of a year. */
  record Nodes(VirtualNode home, VirtualNode arm) {}

  /** A way of making calls. */
  interface CallStrategy extends AutoCloseable {
    /** Makes one call, on a thread of virtual time. */
    Tally.CallOutcome call(int number);

    @Override
    default void close() {}
  }

  private SimulatedYear(
      Duration keepAlive, Duration listedAfter, Function<Nodes, CallStrategy> way) {
    this.nodes = new Nodes(home(time, keepAlive, listedAfter), arm(time));
    this.way = way.apply(nodes);
  }

  /** Simulates a year at the usual home; returns what became of its calls. */
  static Tally simulate(Duration keepAlive, Function<Nodes, CallStrategy> way)
      throws InterruptedException {
    return simulate(keepAlive, Assumptions.LISTED_AFTER, Assumptions.HOME, way);
  }

  /**
   * Simulates a year at another home; returns what became of its calls.
   *
   * @param listedAfter when a model that is being loaded is listed
   * @param incidents the kinds of its outages
   */
  static Tally simulate(
      Duration keepAlive,
      Duration listedAfter,
      List<Assumptions.Incidents> incidents,
      Function<Nodes, CallStrategy> way)
      throws InterruptedException {
    SimulatedYear year = new SimulatedYear(keepAlive, listedAfter, way);
    IncidentSchedule.of(incidents, Assumptions.SEED + 1).schedule(year.nodes.home());
    IncidentSchedule.of(Assumptions.ARM, Assumptions.SEED + 2).schedule(year.nodes.arm());
    year.nodes.home().setReachability(VirtualNode.Reachability.ANSWERS);
    year.nodes.arm().setReachability(VirtualNode.Reachability.ANSWERS);
    year.nextCall();
    year.time.run();
    year.time.close();
    return year.tally;
  }

  private static VirtualNode home(VirtualTime time, Duration keepAlive, Duration listedAfter) {
    VirtualOllama ollama =
        new VirtualOllama(
            time,
            new VirtualOllama.Settings(
                Assumptions.LOAD, listedAfter, keepAlive, Assumptions::homeService));
    return new VirtualNode(time, HOME, Assumptions.WAY_HOME, Assumptions.EDGE_WAITS, ollama);
  }

  private static VirtualNode arm(VirtualTime time) {
    VirtualOllama ollama =
        new VirtualOllama(
            time,
            new VirtualOllama.Settings(
                Duration.ZERO, Duration.ZERO, Assumptions.FOR_EVER, Assumptions::armService));
    return new VirtualNode(time, ARM, Assumptions.WAY_ARM, Assumptions.FOR_EVER, ollama);
  }

  private void nextCall() {
    double day = Assumptions.WORKING_DAY.toNanos();
    worked += IncidentSchedule.nextGap(day / Assumptions.CALLS_A_DAY, arrivals);
    long days = (long) (worked / day);
    long at = Duration.ofDays(days).plus(Assumptions.DAY_BEGINS).toNanos() + (long) (worked % day);
    if (days < Assumptions.DAYS) {
      int number = calls++;
      time.begin(at, () -> call(number));
    } else {
      time.at(at, way::close);
    }
  }

  private void call(int number) {
    nextCall();
    tally.add(way.call(number));
  }
}
