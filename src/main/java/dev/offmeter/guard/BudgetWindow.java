// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.guard;

import java.time.DayOfWeek;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneId;
import java.time.temporal.TemporalAdjusters;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Tells when the count of a {@link Budget} begins anew. A calendar window lasts as long as the
 * calendar says: a day of 23 or 25 hours is one day. Immutable, so safe for use by many threads.
 */
public final class BudgetWindow {
  static final BudgetWindow TOTAL = new BudgetWindow(Period.TOTAL, null, Duration.ZERO);
  static final BudgetWindow SESSION = new BudgetWindow(Period.SESSION, null, Duration.ZERO);

  private static final Duration SHORTEST = Duration.ofMinutes(1);
  private static final Duration LONGEST = Duration.ofDays(366);

  private final Period period;
  private final @Nullable ZoneId zone;
  private final Duration rolling;

  /** The latest window that was asked for: found anew once in each. */
  private volatile @Nullable Span span;

  /** The kinds of windows. */
  public enum Period {
    /** One that never ends. */
    TOTAL,
    /** A calendar day. */
    DAY,
    /** A week from Monday on. */
    WEEK,
    /** A calendar month. */
    MONTH,
    /** A time up to now. */
    ROLLING,
    /** One conversation or run of an agent. */
    SESSION
  }

  private BudgetWindow(Period period, @Nullable ZoneId zone, Duration rolling) {
    this.period = period;
    this.zone = zone;
    this.rolling = rolling;
  }

  static BudgetWindow calendar(Period period, ZoneId zone) {
    return new BudgetWindow(period, Objects.requireNonNull(zone, "zone"), Duration.ZERO);
  }

  static BudgetWindow rolling(Duration length) {
    Objects.requireNonNull(length, "window");
    if (length.compareTo(SHORTEST) < 0 || length.compareTo(LONGEST) > 0) {
      throw new IllegalArgumentException("window must be from 1 minute to 366 days, was " + length);
    }
    return new BudgetWindow(Period.ROLLING, null, length);
  }

  /** Returns the kind of window. */
  public Period period() {
    return period;
  }

  /** Returns whether there is a count for each session. */
  public boolean isPerSession() {
    return period == Period.SESSION;
  }

  /** Returns the length of a rolling window; zero for any other. */
  public Duration rolling() {
    return rolling;
  }

  /** One window of a calendar, which answers for every moment in it. */
  private record Span(Instant start, Instant end) {
    boolean has(Instant moment) {
      return !moment.isBefore(start) && moment.isBefore(end);
    }
  }

  private Span span(Instant moment, ZoneId in) {
    Span latest = span;
    if (latest != null && latest.has(moment)) {
      return latest;
    }
    LocalDate first = firstDay(LocalDate.ofInstant(moment, in));
    LocalDate next =
        switch (period) {
          case DAY -> first.plusDays(1);
          case WEEK -> first.plusWeeks(1);
          default -> first.plusMonths(1);
        };
    Span found = new Span(first.atStartOfDay(in).toInstant(), next.atStartOfDay(in).toInstant());
    span = found;
    return found;
  }

  /** Returns when the window began in which a moment lies; the epoch for one that never did. */
  public Instant startOf(Instant moment) {
    ZoneId in = zone;
    if (in == null) {
      return period == Period.ROLLING ? moment.minus(rolling) : Instant.EPOCH;
    }
    return span(moment, in).start();
  }

  /** Returns when that window ends; {@link Instant#MAX} for one that does not. */
  public Instant endOf(Instant moment) {
    ZoneId in = zone;
    return in == null ? Instant.MAX : span(moment, in).end();
  }

  private LocalDate firstDay(LocalDate day) {
    return switch (period) {
      case WEEK -> day.with(TemporalAdjusters.previousOrSame(DayOfWeek.MONDAY));
      case MONTH -> day.withDayOfMonth(1);
      default -> day;
    };
  }

  /** Returns it in words, such as {@code per month in Europe/Zurich}. */
  @Override
  public String toString() {
    return switch (period) {
      case TOTAL -> "in all";
      case SESSION -> "per session";
      case ROLLING -> "in the last " + rolling;
      case DAY -> "per day in " + zone;
      case WEEK -> "per week in " + zone;
      case MONTH -> "per month in " + zone;
    };
  }
}
