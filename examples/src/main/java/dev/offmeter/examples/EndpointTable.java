// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples;

import dev.offmeter.observe.ClientStatus;
import dev.offmeter.observe.EndpointStatus;
import dev.offmeter.observe.EndpointStatus.Latency;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** The endpoints of a client in columns, narrow enough for any terminal. */
final class EndpointTable {
  /** The longest name: with a longer one the columns would be too wide. */
  private static final int NAME_AT_MOST = 12;

  private final List<EndpointStatus> endpoints;
  private final String columns;

  EndpointTable(ClientStatus status) {
    this.endpoints = status.endpoints();
    int name =
        endpoints.stream()
            .mapToInt(endpoint -> endpoint.endpoint().length())
            .reduce("endpoint".length(), Math::max);
    String first = "%-" + Math.min(name, NAME_AT_MOST) + "." + NAME_AT_MOST + "s";
    this.columns = first + "  %-7s  %6s  %6s  %9s  %13s  %13s";
  }

  List<String> rows() {
    List<String> rows = new ArrayList<>();
    rows.add(
        row("endpoint", "state", "for", "next", "in flight", "first p50/p95", "total p50/p95"));
    for (EndpointStatus endpoint : endpoints) {
      rows.add(row(endpoint));
      endpoint.cause().ifPresent(cause -> rows.add("  " + cause + ": " + endpoint.message()));
    }
    return rows;
  }

  private String row(EndpointStatus endpoint) {
    Latency latency = endpoint.latency();
    return row(
        endpoint.endpoint(),
        endpoint.state(),
        age(endpoint.stateDuration()),
        endpoint.nextHealthCheck().map(next -> seconds(next) + " s").orElse("-"),
        endpoint.inFlight(),
        pair(latency, latency.firstTokenMedian(), latency.firstToken95()),
        pair(latency, latency.totalMedian(), latency.total95()));
  }

  private String row(Object... cells) {
    return String.format(Locale.ROOT, columns, cells);
  }

  private static String pair(Latency latency, Duration median, Duration most) {
    return latency.answers() == 0 ? "-" : seconds(median) + "/" + seconds(most) + " s";
  }

  /** Three figures are enough. */
  private static String seconds(Duration time) {
    double seconds = time.toMillis() / 1000.0;
    int decimals = seconds < 10 ? 2 : seconds < 100 ? 1 : 0;
    return String.format(Locale.ROOT, "%." + decimals + "f", seconds);
  }

  private static String age(Duration age) {
    if (age.toMinutes() == 0) {
      return age.toSeconds() + " s";
    }
    if (age.toHours() == 0) {
      return age.toMinutes() + " min";
    }
    return age.toDays() == 0 ? age.toHours() + " h" : age.toDays() + " d";
  }

  /**
   * Returns the parts whose change makes the table worth printing again: not the times, which
   * always change.
   */
  List<String> news() {
    return endpoints.stream()
        .map(endpoint -> endpoint.endpoint() + endpoint.state() + endpoint.cause())
        .toList();
  }
}
