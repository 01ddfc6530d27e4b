// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.report;

import dev.offmeter.guard.Budget;
import dev.offmeter.guard.BudgetStatus;
import dev.offmeter.meter.Cost;
import dev.offmeter.meter.MeterSnapshot;
import dev.offmeter.meter.MeterTotals;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;

/** The parts of the report, the same for a page and for a text. */
final class Sections {
  private final Figures figures;
  private final MeterSnapshot snapshot;

  Sections(Figures figures) {
    this.figures = figures;
    this.snapshot = figures.snapshot();
  }

  List<Section> all() {
    List<Section> all = new ArrayList<>();
    all.add(days());
    all.add(endpoints());
    all.add(abandoned());
    if (!figures.budgets().isEmpty()) {
      all.add(budgets());
    }
    figures.nodes().forEach(node -> all.add(NodeSection.of(node)));
    if (!snapshot.outcomes().isEmpty()) {
      all.add(outcomes());
    }
    snapshot.byTag().forEach((tag, values) -> all.add(tag(tag, values)));
    all.add(models());
    return all;
  }

  /** Returns the latest days, the latest first. */
  private Section days() {
    Table table = Table.of(1, "day", "calls", "failed", "cost", "saved");
    List<LocalDate> days = new ArrayList<>(snapshot.byDay().keySet());
    days.sort(Comparator.reverseOrder());
    for (LocalDate day : days) {
      MeterTotals totals = snapshot.byDay().getOrDefault(day, MeterTotals.NOTHING);
      table.add(
          day.toString(),
          Numbers.count(totals.calls()),
          Numbers.count(totals.failed()),
          Numbers.money(totals.cost()),
          Numbers.signed(totals.saved()));
    }
    return Section.of("Cost by day and endpoint", Table.leftOut(days.size()), table)
        .withPicture(new DayChart(figures).html());
  }

  private Section endpoints() {
    Map<String, MeterTotals> rows = figures.byEndpoint();
    Table table =
        Table.of(
            2,
            "endpoint",
            "on",
            "answers",
            "tokens in",
            "tokens out",
            "compute s",
            "cost",
            "saved");
    rows.forEach(
        (name, totals) ->
            table.add(
                name,
                figures.kind(name),
                Numbers.count(Figures.answers(totals)),
                Numbers.count(totals.inputTokens()),
                Numbers.count(totals.outputTokens()),
                Numbers.seconds(totals.computeTime()),
                Numbers.money(totals.cost()),
                Numbers.signed(totals.saved())));
    return Section.of("Endpoints", Table.leftOut(rows.size()), table)
        .withPicture(new AnswerChart(figures).html());
  }

  private Section abandoned() {
    Map<String, MeterTotals> rows = figures.byEndpoint();
    Table table = Table.of(1, "endpoint", "attempts", "failed", "possibly billed", "unknown cost");
    rows.forEach(
        (name, totals) ->
            table.add(
                name,
                Numbers.count(totals.calls()),
                Numbers.count(totals.failed()),
                Numbers.money(totals.possiblyBilled()),
                Numbers.count(totals.attemptsOfUnknownCost())));
    List<String> sentences = new ArrayList<>();
    sentences.add(
        "An attempt that was given up after it was sent may be billed all the same; what it may"
            + " have cost is estimated and part of the cost above. The last column counts attempts"
            + " whose cost is unknown, because their endpoint has no price.");
    sentences.addAll(Table.leftOut(rows.size()));
    return Section.of("Failed, abandoned and possibly billed", sentences, table);
  }

  private Section budgets() {
    Table table =
        Table.of(2, "budget", "window", "spent", "reserved", "limit", "begins anew", "used up");
    for (BudgetStatus status : figures.budgets()) {
      Budget budget = status.budget();
      table.add(
          budget.name() + (status.scope().isEmpty() ? "" : " (" + status.scope() + ")"),
          budget.window().toString(),
          budget.shown(status.spent()),
          budget.shown(status.reserved()),
          budget.shown(budget.limit()),
          status.resetsAt().map(figures::minute).orElse("never"),
          status.projectedExhaustion().map(figures::minute).orElse("not before"));
    }
    List<String> sentences = new ArrayList<>();
    sentences.add("The last column is when a limit is reached, if as much goes on to be used.");
    sentences.addAll(Table.leftOut(figures.budgets().size()));
    return Section.of("Budgets", sentences, table);
  }

  private Section outcomes() {
    Table table = Table.of(2, "outcome", "of", "count", "cost each");
    snapshot
        .outcomes()
        .forEach(
            (outcome, count) ->
                table.add(
                    outcome,
                    "all calls",
                    Numbers.count(count),
                    Numbers.money(snapshot.costPerOutcome(outcome))));
    snapshot
        .outcomesByTag()
        .forEach(
            (tag, values) ->
                values.forEach((value, outcomes) -> addOutcomes(table, tag, value, outcomes)));
    int rows = snapshot.outcomes().size() + taggedOutcomes();
    return Section.of("Cost per outcome", Table.leftOut(rows), table);
  }

  private void addOutcomes(Table table, String tag, String value, Map<String, Long> outcomes) {
    outcomes.forEach(
        (outcome, count) -> {
          Cost each = snapshot.costPerOutcome(outcome, tag, value);
          table.add(outcome, tag + " " + value, Numbers.count(count), Numbers.money(each));
        });
  }

  private int taggedOutcomes() {
    return snapshot.outcomesByTag().values().stream()
        .flatMap(values -> values.values().stream())
        .mapToInt(Map::size)
        .sum();
  }

  /** Returns the values of a tag, the one with the most compute time first. */
  private static Section tag(String tag, Map<String, MeterTotals> values) {
    Table table = Table.of(1, tag, "compute s", "calls", "failed", "tokens", "cost", "saved");
    values.entrySet().stream()
        .sorted(Comparator.comparing(value -> value.getValue().computeTime().negated()))
        .forEach(
            value -> {
              MeterTotals totals = value.getValue();
              table.add(
                  value.getKey(),
                  Numbers.seconds(totals.computeTime()),
                  Numbers.count(totals.calls()),
                  Numbers.count(totals.failed()),
                  Numbers.count(totals.inputTokens() + totals.outputTokens()),
                  Numbers.money(totals.cost()),
                  Numbers.signed(totals.saved()));
            });
    return Section.of("By " + tag, Table.leftOut(values.size()), table)
        .withPicture(ComputeChart.html(values));
  }

  private Section models() {
    Map<String, MeterTotals> rows = snapshot.byModel();
    Table table = Table.of(1, "endpoint/model", "attempts", "tokens", "compute s", "cost");
    rows.forEach(
        (name, totals) ->
            table.add(
                name,
                Numbers.count(totals.calls()),
                Numbers.count(totals.inputTokens() + totals.outputTokens()),
                Numbers.seconds(totals.computeTime()),
                Numbers.money(totals.cost())));
    return Section.of("Models", Table.leftOut(rows.size()), table);
  }
}
