// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.meter;

import dev.offmeter.Attempt;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.guard.BudgetStatus;
import dev.offmeter.internal.UserCode;
import dev.offmeter.internal.report.CostReport;
import dev.offmeter.internal.report.MeteredEndpoint;
import dev.offmeter.internal.time.TimeSource;
import dev.offmeter.internal.usagelog.UsageLogWriter;
import dev.offmeter.meter.Cost;
import dev.offmeter.meter.Meter;
import dev.offmeter.meter.MeterReport;
import dev.offmeter.meter.MeterSnapshot;
import dev.offmeter.meter.MeterTotals;
import dev.offmeter.meter.Price;
import dev.offmeter.meter.UsageLogStatus;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneId;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Counts the attempts and calls of one client. Adds to counters only, under no lock, and throws
 * nothing: metering must not fail or block a call.
 */
public final class MeterRecorder implements Meter {
  private static final int MOST_DAYS = 400;
  private static final int MOST_MODELS = 1_000;
  private static final int MOST_TAGS = 20;
  private static final int MOST_VALUES = 1_000;
  private static final int MOST_OUTCOMES = 1_000;

  /**
   * Tells the calendar, as it does for the windows of budgets: a monotonic clock stands still while
   * a machine sleeps, and would count what follows on the days before.
   */
  private final TimeSource time;

  private final ZoneId zone;
  private final @Nullable Price baseline;
  private final List<MeteredEndpoint> endpoints;
  private final Supplier<List<BudgetStatus>> budgets;
  private final @Nullable UsageLogWriter usageLog;
  private final Instant since;
  private final MeterRow total = new MeterRow();
  private final BoundedRows<String, MeterRow> byEndpoint = rows(MOST_MODELS);
  private final BoundedRows<String, BoundedRows<String, MeterRow>> byModel =
      new BoundedRows<>(MOST_MODELS, OTHER, () -> rows(MOST_MODELS));
  private final ConcurrentSkipListMap<LocalDate, Day> byDay = new ConcurrentSkipListMap<>();
  private final BoundedRows<String, BoundedRows<String, MeterRow>> byTag =
      new BoundedRows<>(MOST_TAGS, OTHER, () -> rows(MOST_VALUES));
  private volatile @Nullable Today today;
  private final BoundedRows<String, LongAdder> outcomes = counters();
  private final BoundedRows<String, BoundedRows<String, BoundedRows<String, LongAdder>>>
      outcomesByTag =
          new BoundedRows<>(
              MOST_TAGS,
              OTHER,
              () -> new BoundedRows<>(MOST_VALUES, OTHER, MeterRecorder::counters));

  /** The counts of one day. */
  private static final class Day {
    private final MeterRow all = new MeterRow();
    private final BoundedRows<String, MeterRow> byEndpoint = rows(MOST_MODELS);
  }

  /**
   * Creates a recorder that has counted nothing.
   *
   * @param zone whose calendar days are counted by
   * @param baseline the price of what the calls would have cost; null for none
   * @param endpoints in the order in which they are asked; for the report
   * @param budgets tells the state of the budgets
   * @param usageLog takes a row for each attempt; null for none
   */
  public MeterRecorder(
      TimeSource time,
      ZoneId zone,
      @Nullable Price baseline,
      List<MeteredEndpoint> endpoints,
      Supplier<List<BudgetStatus>> budgets,
      @Nullable UsageLogWriter usageLog) {
    this.budgets = budgets;
    this.usageLog = usageLog;
    this.time = time;
    this.zone = zone;
    this.baseline = baseline;
    this.endpoints = endpoints;
    this.since = time.instant();
  }

  private static BoundedRows<String, MeterRow> rows(int most) {
    return new BoundedRows<>(most, OTHER, MeterRow::new);
  }

  private static BoundedRows<String, LongAdder> counters() {
    return new BoundedRows<>(MOST_OUTCOMES, OTHER, LongAdder::new);
  }

  /**
   * Counts an attempt that has ended.
   *
   * @param model the model that was asked for
   * @param price null if it is unknown
   */
  public void onAttemptEnded(
      Attempt attempt, String model, @Nullable Price price, Map<String, String> tags) {
    UserCode.ignore(
        () -> {
          Price known = attempt.cost().isKnown() ? price : null;
          boolean answered = attempt.failure().isEmpty();
          Day today = today();
          forEachOfEndpoint(
              today,
              attempt.endpoint(),
              model,
              row -> {
                row.addCall(answered);
                row.addAttempt(attempt, known);
              });
          forEachOfCall(today, tags, row -> row.addAttempt(attempt, known));
        });
  }

  /**
   * Adds a row to the usage log, if there is one, for an attempt that has ended.
   *
   * @param number of the attempt within its call, from 1
   * @param model the model that was asked for
   */
  public void logAttempt(
      long call, int number, ChatRequest request, String model, boolean streamed, Attempt attempt) {
    if (usageLog != null) {
      usageLog.onAttemptEnded(call, number, request, model, streamed, attempt);
    }
  }

  /** Counts a call that has an answer. */
  public void onCallAnswered(ChatResponse response, String model, Map<String, String> tags) {
    UserCode.ignore(
        () -> {
          Day today = today();
          forEachOfCall(today, tags, row -> row.addCall(true));
          Attempt last = response.attempts().get(response.attempts().size() - 1);
          Price price = baseline;
          if (price != null && isOfModel(last)) {
            Consumer<MeterRow> add =
                row -> row.addBaseline(price, last.usage(), last.computeTime());
            forEachOfEndpoint(today, last.endpoint(), model, add);
            forEachOfCall(today, tags, add);
          }
        });
  }

  /** Counts a call that has failed. */
  public void onCallFailed(Map<String, String> tags) {
    UserCode.ignore(() -> forEachOfCall(today(), tags, row -> row.addCall(false)));
  }

  private void forEachOfCall(Day today, Map<String, String> tags, Consumer<MeterRow> add) {
    add.accept(total);
    add.accept(today.all);
    for (Map.Entry<String, String> tag : tags.entrySet()) {
      add.accept(byTag.row(tag.getKey()).row(tag.getValue()));
    }
  }

  private void forEachOfEndpoint(Day today, String endpoint, String model, Consumer<MeterRow> add) {
    add.accept(byEndpoint.row(endpoint));
    add.accept(byModel.row(endpoint).row(model));
    add.accept(today.byEndpoint.row(endpoint));
  }

  private Day today() {
    Instant now = time.instant();
    Today latest = today;
    if (latest != null && latest.has(now)) {
      return latest.day();
    }
    LocalDate date = LocalDate.ofInstant(now, zone);
    while (byDay.size() >= MOST_DAYS && !byDay.containsKey(date)) {
      byDay.pollFirstEntry();
    }
    Day day = byDay.computeIfAbsent(date, each -> new Day());
    Instant end = date.plusDays(1).atStartOfDay(zone).toInstant();
    today = new Today(day, date.atStartOfDay(zone).toInstant(), end);
    return day;
  }

  /** The counts of one day. The calendar may be set back. */
  private record Today(Day day, Instant start, Instant end) {
    boolean has(Instant moment) {
      return !moment.isBefore(start) && moment.isBefore(end);
    }
  }

  private Map<String, MeterTotals> totalsByModel() {
    Map<String, MeterTotals> all = new TreeMap<>();
    byModel
        .snapshot(models -> models.snapshot(this::totals))
        .forEach(
            (endpoint, models) ->
                models.forEach((model, totals) -> all.put(endpoint + "/" + model, totals)));
    return Collections.unmodifiableMap(all);
  }

  /** Returns what the baseline would have charged for an answer. */
  public Cost baselineCost(Attempt answered) {
    if (baseline == null) {
      return Cost.UNKNOWN;
    }
    if (!isOfModel(answered)) {
      return Cost.NONE;
    }
    Cost cost = baseline.cost(answered.usage(), answered.computeTime());
    return answered.usage().reported() ? cost : cost.asEstimated();
  }

  /** Returns whether a model gave the answer, and not a function. */
  private static boolean isOfModel(Attempt answered) {
    return !answered.origin().isEmpty();
  }

  @Override
  public void outcome(String name, String... tags) {
    if (tags.length % 2 != 0) {
      throw new IllegalArgumentException(
          "tags must be names and values in turn, were " + tags.length + " texts");
    }
    Map<String, String> pairs = new LinkedHashMap<>();
    for (int i = 0; i < tags.length; i += 2) {
      pairs.put(tags[i], tags[i + 1]);
    }
    outcome(name, pairs);
  }

  @Override
  public void outcome(String name, Map<String, String> tags) {
    Map<String, String> copy = Map.copyOf(tags);
    if (name.isBlank()) {
      throw new IllegalArgumentException("outcome must not be blank, was '" + name + "'");
    }
    outcomes.row(name).increment();
    copy.forEach((tag, value) -> outcomesByTag.row(tag).row(value).row(name).increment());
  }

  @Override
  public List<BudgetStatus> budgets() {
    return budgets.get();
  }

  @Override
  public Optional<UsageLogStatus> usageLog() {
    return Optional.ofNullable(usageLog).map(UsageLogWriter::status);
  }

  @Override
  public MeterSnapshot snapshot() {
    Map<LocalDate, Map<String, MeterTotals>> daysByEndpoint = new TreeMap<>();
    Map<LocalDate, MeterTotals> days = new TreeMap<>();
    byDay.forEach(
        (date, day) -> {
          days.put(date, totals(day.all));
          daysByEndpoint.put(date, day.byEndpoint.snapshot(this::totals));
        });
    return new MeterSnapshot(
        since,
        totals(total),
        byEndpoint.snapshot(this::totals),
        totalsByModel(),
        Collections.unmodifiableMap(days),
        Collections.unmodifiableMap(daysByEndpoint),
        byTag.snapshot(values -> values.snapshot(this::totals)),
        outcomes.snapshot(LongAdder::sum),
        outcomesByTag.snapshot(
            values -> values.snapshot(counters -> counters.snapshot(LongAdder::sum))));
  }

  @Override
  public MeterReport report() {
    return new CostReport(snapshot(), time.instant(), zone, endpoints, budgets());
  }

  private MeterTotals totals(MeterRow row) {
    return row.totals(baseline != null);
  }
}
