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

  private static final String NONE = "-";

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
        status.nextHealthCheck().map(left -> EndpointStatus.seconds(left, 1) + " s").orElse(NONE),
        String.valueOf(status.inFlight()),
        String.valueOf(latency.answers()),
        none ? NONE : latency.firstTokenPair(),
        none ? NONE : latency.totalPair(),
        status.why());
  }

  @Override
  public String toString() {
    StringBuilder table = new StringBuilder();
    for (List<String> row : rows) {
      StringBuilder line = new StringBuilder();
      for (int column = 0; column < row.size(); column++) {
        line.append(column == 0 ? "" : "  ").append(padded(row, column));
      }
      table.append(table.isEmpty() ? "" : "\n").append(line.toString().stripTrailing());
    }
    return table.toString();
  }

  /** Pads a cell: words are aligned at the left, figures at the right. */
  private String padded(List<String> row, int column) {
    String cell = row.get(column);
    int width = rows.stream().mapToInt(each -> each.get(column).length()).max().orElse(0);
    boolean words = column < 2 || column == HEAD.size() - 1;
    String gap = " ".repeat(width - cell.length());
    return words ? cell + gap : gap + cell;
  }
}
