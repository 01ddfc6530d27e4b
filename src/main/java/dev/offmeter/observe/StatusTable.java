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
          "total p50/p95",
          "why");

  private final List<List<String>> rows = new ArrayList<>();

  StatusTable(List<EndpointStatus> endpoints) {
    rows.add(HEAD);
    endpoints.forEach(endpoint -> rows.add(row(endpoint)));
  }

  private static List<String> row(EndpointStatus status) {
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
        none ? TextTable.NONE : latency.totalPair(),
        status.why());
  }

  @Override
  public String toString() {
    return new TextTable(rows, column -> column < 2 || column == HEAD.size() - 1).toString();
  }
}
