// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.report;

import dev.offmeter.guard.BudgetStatus;
import dev.offmeter.internal.report.MeteredEndpoint.Kind;
import dev.offmeter.meter.Cost;
import dev.offmeter.meter.MeterSnapshot;
import dev.offmeter.meter.MeterTotals;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * What a report is made of.
 *
 * @param snapshot all counts
 * @param until when they were taken
 * @param zone of the days
 * @param endpoints in the order in which they are asked
 * @param budgets the states of the budgets
 */
record Figures(
    MeterSnapshot snapshot,
    Instant until,
    ZoneId zone,
    List<MeteredEndpoint> endpoints,
    List<BudgetStatus> budgets) {
  private static final DateTimeFormatter MINUTE =
      DateTimeFormatter.ofPattern("uuuu-MM-dd HH:mm", Locale.ROOT);

  /** Returns a moment in the report's zone. */
  String minute(Instant moment) {
    return MINUTE.format(moment.atZone(zone));
  }

  /** Returns the time for which calls were counted. */
  Duration measured() {
    Duration measured = Duration.between(snapshot.since(), until);
    return measured.isNegative() ? Duration.ZERO : measured;
  }

  /** Returns the totals of each endpoint, in the order in which they are asked, the others last. */
  Map<String, MeterTotals> byEndpoint() {
    Map<String, MeterTotals> ordered = new LinkedHashMap<>();
    endpoints.forEach(endpoint -> ordered.put(endpoint.name(), totals(endpoint.name())));
    snapshot.byEndpoint().forEach(ordered::putIfAbsent);
    return ordered;
  }

  private MeterTotals totals(String endpoint) {
    return snapshot.byEndpoint().getOrDefault(endpoint, nothing());
  }

  /** Returns the totals of an endpoint that was not asked: with a baseline, it saved 0. */
  private MeterTotals nothing() {
    MeterTotals none = MeterTotals.NOTHING;
    return new MeterTotals(
        0,
        0,
        0,
        0,
        0,
        0,
        none.computeTime(),
        none.knownCost(),
        0,
        none.possiblyBilled(),
        snapshot.total().baselineCost().isKnown() ? Cost.NONE : Cost.UNKNOWN);
  }

  /** Returns who answers at an endpoint, in words; empty for those without a row of their own. */
  String kind(String endpoint) {
    return endpoints.stream()
        .filter(each -> each.name().equals(endpoint))
        .map(each -> each.kind().words())
        .findFirst()
        .orElse("");
  }

  /** Returns how many answers endpoints of one kind gave. */
  long answers(Kind kind) {
    return endpoints.stream()
        .filter(endpoint -> endpoint.kind() == kind)
        .mapToLong(endpoint -> answers(totals(endpoint.name())))
        .sum();
  }

  static long answers(MeterTotals endpoint) {
    return endpoint.calls() - endpoint.failed();
  }

  /** Returns how many answers models gave. */
  long answersByModels() {
    return answers(Kind.OWN) + answers(Kind.MANAGED);
  }

  /** Returns each node of which it is declared what it costs. */
  List<NodeFigures> nodes() {
    double all = answersByModels();
    double reserveShare = all == 0 ? 0 : answers(Kind.MANAGED) / all;
    return endpoints.stream()
        .filter(endpoint -> endpoint.upkeep().isPresent())
        .map(
            endpoint ->
                new NodeFigures(
                    endpoint.name(),
                    endpoint.upkeep().orElseThrow(),
                    totals(endpoint.name()),
                    measured(),
                    endpoint.kind() == Kind.OWN ? reserveShare : 0))
        .toList();
  }
}
