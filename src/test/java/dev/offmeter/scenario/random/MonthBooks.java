// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.random;

import dev.offmeter.guard.Budget;
import dev.offmeter.meter.MeterSnapshot;
import java.math.BigDecimal;
import java.time.DayOfWeek;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneId;
import java.time.temporal.TemporalAdjusters;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Predicate;

/**
 * What the meters of all clients of a month have counted, call by call, and what budgets must have
 * spent then. Its calendar is its own.
 */
final class MonthBooks {
  static final ZoneId ZURICH = ZoneId.of("Europe/Zurich");

  /** What a call has cost at one endpoint, dated at its begin. */
  record Entry(Instant at, String endpoint, String feature, BigDecimal amount) {}

  private final List<Entry> entries = new ArrayList<>();

  /** By endpoint, what the present client's meter has counted so far. */
  private final Map<String, BigDecimal> counted = new HashMap<>();

  /** Adds by how much the present client's meter has grown with a call. */
  void add(Instant at, String feature, MeterSnapshot snapshot) {
    snapshot
        .byEndpoint()
        .forEach(
            (endpoint, totals) -> {
              BigDecimal now = totals.cost().amount();
              BigDecimal before = counted.getOrDefault(endpoint, BigDecimal.ZERO);
              entries.add(new Entry(at, endpoint, feature, now.subtract(before)));
              counted.put(endpoint, now);
            });
  }

  /** Called when the client was closed: the next one's meter begins at 0. */
  void onRestart() {
    counted.clear();
  }

  /** Returns what has been counted for an endpoint, by the day in a zone. */
  Map<LocalDate, BigDecimal> byDay(String endpoint, ZoneId zone) {
    Map<LocalDate, BigDecimal> days = new TreeMap<>();
    entries.stream()
        .filter(entry -> entry.endpoint().equals(endpoint))
        .forEach(entry -> addTo(days, LocalDate.ofInstant(entry.at(), zone), entry.amount()));
    return days;
  }

  /** Adds to the sum of a day; a day on which nothing was spent has none. */
  static void addTo(Map<LocalDate, BigDecimal> days, LocalDate day, BigDecimal amount) {
    if (amount.signum() != 0) {
      days.merge(day, amount.stripTrailingZeros(), (a, b) -> a.add(b).stripTrailingZeros());
    }
  }

  /** Returns the billionths that were spent from a moment on, of a budget's calls. */
  long spentSince(Instant start, Budget budget, String feature) {
    Predicate<Entry> counts =
        entry ->
            !entry.at().isBefore(start)
                && budget.endpoint().map(entry.endpoint()::equals).orElse(true)
                && (budget.tag().isEmpty() || entry.feature().equals(feature));
    return nanos(
        entries.stream()
            .filter(counts)
            .map(Entry::amount)
            .reduce(BigDecimal.ZERO, BigDecimal::add));
  }

  static long nanos(BigDecimal amount) {
    return amount.movePointRight(9).longValueExact();
  }

  /** Returns the first moment of the window in which a moment lies. */
  static Instant windowStart(Budget budget, Instant moment) {
    LocalDate day = day(moment);
    return switch (budget.window().period()) {
      case DAY -> start(day);
      case WEEK -> start(day.with(TemporalAdjusters.previousOrSame(DayOfWeek.MONDAY)));
      case MONTH -> start(day.withDayOfMonth(1));
      default -> moment.minus(budget.window().rolling());
    };
  }

  /** Returns how much longer than its window a rolling budget may count: two of its slices. */
  static Duration slack(Budget budget) {
    return budget.window().rolling().dividedBy(30);
  }

  static LocalDate day(Instant moment) {
    return LocalDate.ofInstant(moment, ZURICH);
  }

  static Instant start(LocalDate day) {
    return day.atStartOfDay(ZURICH).toInstant();
  }
}
