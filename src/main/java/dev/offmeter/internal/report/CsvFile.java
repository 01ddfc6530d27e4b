// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.report;

import dev.offmeter.internal.report.BreakEven.Counted;
import dev.offmeter.meter.Cost;
import dev.offmeter.meter.MeterSnapshot;
import dev.offmeter.meter.MeterTotals;
import dev.offmeter.meter.Upkeep;
import java.math.BigDecimal;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * Writes all counts as comma-separated values. A line is about one group; it leaves empty what does
 * not exist for such a group, so that a column can be added up without the others.
 */
final class CsvFile {
  private static final String UNKNOWN = "unknown";
  private static final List<String> COUNTS =
      List.of(
          "calls",
          "failed",
          "input_tokens",
          "output_tokens",
          "cached_input_tokens",
          "thinking_tokens",
          "compute_seconds",
          "cost",
          "known_cost",
          "attempts_of_unknown_cost",
          "possibly_billed",
          "baseline_cost",
          "saved");
  private static final List<String> OTHERS =
      List.of("count", "cost_each", "cost_per_month", "break_even_tokens_per_month", "currency");

  private final StringBuilder csv = new StringBuilder();
  private final Figures figures;
  private final MeterSnapshot snapshot;
  private final String currency;

  private CsvFile(Figures figures) {
    this.figures = figures;
    this.snapshot = figures.snapshot();
    Cost known = snapshot.total().knownCost();
    Cost baseline = snapshot.total().baselineCost();
    this.currency = known.currency().isEmpty() ? baseline.currency() : known.currency();
  }

  static String of(Figures figures) {
    CsvFile file = new CsvFile(figures);
    file.header();
    file.groups();
    file.outcomes();
    figures.nodes().forEach(file::node);
    return file.csv.toString();
  }

  private void header() {
    csv.append("group,name,value,");
    csv.append(String.join(",", COUNTS)).append(',').append(String.join(",", OTHERS));
    csv.append("\r\n");
  }

  private void groups() {
    totals("total", "", "", snapshot.total());
    figures.byEndpoint().forEach((name, row) -> totals("endpoint", name, "", row));
    snapshot.byModel().forEach((name, row) -> totals("model", name, "", row));
    snapshot.byDay().forEach((day, row) -> totals("day", day.toString(), "", row));
    snapshot
        .byDayAndEndpoint()
        .forEach(
            (day, rows) ->
                rows.forEach((name, row) -> totals("day-endpoint", day.toString(), name, row)));
    snapshot
        .byTag()
        .forEach((tag, rows) -> rows.forEach((value, row) -> totals("tag", tag, value, row)));
  }

  private void totals(String group, String name, String value, MeterTotals totals) {
    texts(group, name, value);
    numbers(
        totals.calls(),
        totals.failed(),
        totals.inputTokens(),
        totals.outputTokens(),
        totals.cachedInputTokens(),
        totals.thinkingTokens(),
        seconds(totals.computeTime()),
        amount(totals.cost()),
        amount(totals.knownCost()),
        totals.attemptsOfUnknownCost(),
        amount(totals.possiblyBilled()),
        amount(totals.baselineCost()),
        amount(totals.saved()));
    csv.append(",".repeat(OTHERS.size() - 1));
    end(currency);
  }

  private void outcomes() {
    snapshot
        .outcomes()
        .forEach((outcome, count) -> outcome(outcome, "", count, snapshot.costPerOutcome(outcome)));
    snapshot
        .outcomesByTag()
        .forEach(
            (tag, values) ->
                values.forEach(
                    (value, outcomes) ->
                        outcomes.forEach(
                            (outcome, count) ->
                                outcome(
                                    outcome,
                                    tag + "=" + value,
                                    count,
                                    snapshot.costPerOutcome(outcome, tag, value)))));
  }

  private void outcome(String outcome, String tag, long count, Cost each) {
    texts("outcome", outcome, tag);
    csv.append(",".repeat(COUNTS.size()));
    numbers(count, amount(each));
    csv.append(",".repeat(2));
    end(currency);
  }

  private void node(NodeFigures node) {
    Upkeep.Month month = node.upkeep().month(node.utilisation());
    Optional<BreakEven> curve = node.breakEven();
    for (Counted counted : Counted.values()) {
      texts("node", node.name(), counted.words());
      csv.append(",".repeat(COUNTS.size() + 2));
      numbers(
          amount(counted.cost(month)), curve.map(each -> tokens(each, counted)).orElse(UNKNOWN));
      end(node.upkeep().currency());
    }
  }

  private static String tokens(BreakEven curve, Counted counted) {
    return curve.tokens(counted).isPresent()
        ? String.valueOf(Math.round(curve.tokens(counted).getAsDouble()))
        : "never";
  }

  private void texts(String group, String name, String value) {
    csv.append(group).append(',').append(quoted(name)).append(',').append(quoted(value));
  }

  private void numbers(Object... numbers) {
    for (Object number : numbers) {
      csv.append(',').append(number);
    }
  }

  private void end(String lastCell) {
    csv.append(',').append(lastCell).append("\r\n");
  }

  private static String seconds(Duration time) {
    return BigDecimal.valueOf(time.toMillis(), 3).toPlainString();
  }

  private static String amount(Cost cost) {
    return cost.isKnown() ? cost.amount().toPlainString() : UNKNOWN;
  }

  /** Returns a name in quotes; one that begins like a formula has an apostrophe before it. */
  private static String quoted(String name) {
    boolean formula = !name.isEmpty() && "=+-@\t\r\n".indexOf(name.charAt(0)) >= 0;
    String safe = (formula ? "'" : "") + Html.printable(name).replace("\"", "\"\"");
    return safe.isEmpty() ? "" : "\"" + safe + "\"";
  }
}
