// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.micrometer;

import java.util.List;

/** The counters of events, each with the names of its tags. */
enum EventCounter {
  SKIPS(
      MeterNames.SKIPS,
      "The endpoints that were skipped without being asked",
      MeterNames.ENDPOINT,
      MeterNames.KIND),
  FALL_THROUGHS(
      MeterNames.FALL_THROUGHS,
      "The calls that went on to another endpoint",
      MeterNames.FROM,
      MeterNames.TO,
      MeterNames.KIND),
  RESTARTS(
      MeterNames.RESTARTS, "The streams that took back what they had shown", MeterNames.ENDPOINT),
  COST(MeterNames.COST, "The known cost of attempts", MeterNames.ENDPOINT, MeterNames.CURRENCY),
  COST_UNKNOWN(
      MeterNames.COST_UNKNOWN, "The attempts whose cost is not known", MeterNames.ENDPOINT),
  SAVED(MeterNames.SAVED, "What calls cost less than at the baseline", MeterNames.CURRENCY),
  OVERSPENT(MeterNames.OVERSPENT, "What calls cost more than at the baseline", MeterNames.CURRENCY),
  COMPUTE_SECONDS(
      MeterNames.COMPUTE_SECONDS,
      "The time for which attempts kept servers busy",
      MeterNames.ENDPOINT),
  RUNAWAYS(
      MeterNames.RUNAWAYS,
      "The answers without end that were stopped",
      MeterNames.ENDPOINT,
      MeterNames.KIND),
  BUDGET_ALERTS(MeterNames.BUDGET_ALERTS, "The alerts of budgets", MeterNames.BUDGET),
  QUEUE_ALERTS(
      MeterNames.QUEUE_ALERTS,
      "The episodes in which requests wait longer than is usual",
      MeterNames.ENDPOINT);

  private final String meter;
  private final String description;

  @SuppressWarnings("ImmutableEnumChecker") // List.of is immutable.
  private final List<String> tags;

  EventCounter(String meter, String description, String... tags) {
    this.meter = meter;
    this.description = description;
    this.tags = List.of(tags);
  }

  /** Returns the name of the meter. */
  String meter() {
    return meter;
  }

  /** Returns what is counted, in words. */
  String description() {
    return description;
  }

  /** Returns the names of the tags, in the order in which their values are given. */
  List<String> tags() {
    return tags;
  }

  /** Returns whether what is counted is told apart by the tag that the application chose. */
  boolean isTagged() {
    return switch (this) {
      case COST, SAVED, OVERSPENT, COMPUTE_SECONDS -> true;
      default -> false;
    };
  }
}
