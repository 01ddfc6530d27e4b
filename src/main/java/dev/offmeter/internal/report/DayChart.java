// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.report;

import dev.offmeter.meter.MeterTotals;
import java.time.LocalDate;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;

/** A bar for each of the last days, with a part for each endpoint that cost anything. */
final class DayChart {
  private static final int MOST_DAYS = 31;

  /** Endpoints from this one on share a colour: more could not be told apart. */
  static final int MOST_COLOURS = 8;

  private final Map<LocalDate, Map<String, MeterTotals>> byDay;
  private final List<String> endpoints;
  private final String currency;
  private final List<LocalDate> days;

  DayChart(Figures figures) {
    this.byDay = figures.snapshot().byDayAndEndpoint();
    this.currency = figures.snapshot().total().knownCost().currency();
    this.endpoints = List.copyOf(figures.byEndpoint().keySet());
    this.days = days();
  }

  /** Returns the days up to the last one with a call; a day without a call has no bar. */
  private List<LocalDate> days() {
    if (byDay.isEmpty()) {
      return List.of();
    }
    TreeSet<LocalDate> counted = new TreeSet<>(byDay.keySet());
    LocalDate last = counted.last();
    long before = Math.min(MOST_DAYS - 1, ChronoUnit.DAYS.between(counted.first(), last));
    List<LocalDate> all = new ArrayList<>();
    for (long i = before; i >= 0; i--) {
      all.add(last.minusDays(i));
    }
    return all;
  }

  private static double cost(MeterTotals totals) {
    return totals.knownCost().amount().doubleValue();
  }

  private Map<String, MeterTotals> on(LocalDate day) {
    return byDay.getOrDefault(day, Map.of());
  }

  private boolean isBilled(String endpoint) {
    return days.stream()
        .anyMatch(day -> cost(on(day).getOrDefault(endpoint, MeterTotals.NOTHING)) > 0);
  }

  private double sum(LocalDate day) {
    return on(day).values().stream().mapToDouble(DayChart::cost).sum();
  }

  String html() {
    double most = days.stream().mapToDouble(this::sum).max().orElse(0);
    boolean unknown = days.stream().anyMatch(this::hasUnknown);
    if (most == 0 && !unknown) {
      return "<p>No call was billed on these days.</p>\n";
    }
    Plot plot = new Plot(Axis.upTo(most), currency, "cost by day and endpoint");
    for (int i = 0; i < days.size(); i++) {
      add(plot, i);
    }
    int last = days.size() - 1;
    plot.below("middle", middle(0), 1, days.get(0).toString());
    if (last > 0) {
      plot.below("end", 1, 1, days.get(last).toString());
    }
    return plot.svg().html() + legend(unknown);
  }

  private double middle(int day) {
    return days.size() == 1 ? 0.5 : Math.max(0.08, (day + 0.5) / days.size());
  }

  private void add(Plot plot, int index) {
    LocalDate day = days.get(index);
    double width = (plot.x(1) - plot.x(0)) / Math.max(days.size(), 4);
    double left =
        days.size() < 4
            ? plot.x((index + 0.5) / days.size()) - width / 2
            : plot.x((double) index / days.size());
    double below = 0;
    for (int i = 0; i < endpoints.size(); i++) {
      String endpoint = endpoints.get(i);
      MeterTotals totals = on(day).getOrDefault(endpoint, MeterTotals.NOTHING);
      double top = below + cost(totals);
      if (top > below) {
        String title = day + ", " + endpoint + ": " + Numbers.money(totals.knownCost());
        double y = plot.y(top);
        plot.svg().bar(colour(i), left + width * 0.1, y, width * 0.8, plot.y(below) - y, title);
      }
      below = top;
    }
    if (hasUnknown(day)) {
      plot.svg().text("middle", left + width / 2, plot.y(below) - 4, "?");
    }
  }

  private boolean hasUnknown(LocalDate day) {
    return on(day).values().stream().anyMatch(totals -> totals.attemptsOfUnknownCost() > 0);
  }

  static String colour(int index) {
    return "fill c" + Math.min(index, MOST_COLOURS - 1);
  }

  private String legend(boolean unknown) {
    Legend legend = new Legend();
    for (int i = 0; i < endpoints.size(); i++) {
      if (isBilled(endpoints.get(i))) {
        legend.add(colour(i), endpoints.get(i));
      }
    }
    String note =
        "<p>A day with ? has calls whose cost is unknown, and is dearer than shown.</p>\n";
    return legend.html() + (unknown ? note : "");
  }
}
