// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.observe;

import java.util.ArrayList;
import java.util.List;

/** A table of endpoints in aligned columns; the message is last, because it may be long. */
final class StatusTable {
  private static final List<String> HEAD =
      List.of(
          "endpoint",
          "state",
          "for",
          "next check",
          "in flight",
          "answers",
          "first p50/p95",
          "total p50/p95");

  private static final int LEADING_WORDS = 2;

  private final List<List<String>> rows = new ArrayList<>();

  /** Whether there is a column for contexts and one for capabilities, as some are known. */
  private final boolean traits;

  StatusTable(List<EndpointStatus> endpoints) {
    traits = endpoints.stream().anyMatch(StatusTable::isTraitKnown);
    rows.add(row(HEAD, "context", "can", "why"));
    endpoints.forEach(
        status ->
            rows.add(
                row(
                    figures(status),
                    orNone(status.contextText()),
                    orNone(status.capabilitiesText()),
                    status.why())));
  }

  private static boolean isTraitKnown(EndpointStatus status) {
    return status.contextLength().isPresent() || !status.capabilities().isEmpty();
  }

  private static String orNone(String text) {
    return text.isEmpty() ? TextTable.NONE : text;
  }

  private List<String> row(List<String> figures, String context, String can, String why) {
    List<String> row = new ArrayList<>(figures);
    if (traits) {
      row.add(context);
      row.add(can);
    }
    row.add(why);
    return row;
  }

  private static List<String> figures(EndpointStatus status) {
    EndpointStatus.Latency latency = status.latency();
    boolean none = latency.answers() == 0;
    return List.of(
        status.endpoint(),
        status.state().name(),
        status.age(),
        status
            .nextHealthCheck()
            .map(left -> EndpointStatus.seconds(left, 1) + " s")
            .orElse(TextTable.NONE),
        String.valueOf(status.inFlight()),
        String.valueOf(latency.answers()),
        none ? TextTable.NONE : latency.firstTokenPair(),
        none ? TextTable.NONE : latency.totalPair());
  }

  @Override
  public String toString() {
    int figures = HEAD.size() + (traits ? 1 : 0);
    return new TextTable(rows, column -> column < LEADING_WORDS || column >= figures).toString();
  }
}
