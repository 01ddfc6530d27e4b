// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.report;

import dev.offmeter.internal.report.BreakEven.Counted;
import dev.offmeter.meter.Upkeep;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** The part of the report about one node of which it is declared what it costs. */
final class NodeSection {
  /** Below this the report says that it extrapolates a short time. */
  private static final Duration SHORT = Duration.ofDays(7);

  private final NodeFigures node;
  private final String currency;

  private NodeSection(NodeFigures node) {
    this.node = node;
    this.currency = node.upkeep().currency();
  }

  static Section of(NodeFigures node) {
    NodeSection section = new NodeSection(node);
    Optional<BreakEven> curve = node.breakEven();
    String title = "Break-even of " + node.name();
    String picture =
        curve
            .map(each -> new BreakEvenChart(each, node.tokensPerMonth(), section.currency).html())
            .orElse("");
    List<String> sentences =
        curve.map(section::sentences).orElseGet(() -> List.of(section.whyNone()));
    Table table = curve.map(section::table).orElseGet(section::costs);
    return Section.of(title, sentences, table).withPicture(picture);
  }

  private String whyNone() {
    return node.totals().baselineCost().isKnown()
        ? "No token was measured here, so there is nothing to extrapolate."
        : "There is no baseline, so there is nothing to break even with.";
  }

  /** Returns what the machine costs, without a baseline to compare with. */
  private Table costs() {
    Table table = Table.of(1, "a month", "cost");
    Upkeep.Month month = node.upkeep().month(node.utilisation());
    for (Counted counted : Counted.values()) {
      table.add(counted.words(), Numbers.money(counted.cost(month)));
    }
    return table;
  }

  private Table table(BreakEven curve) {
    Table table =
        Table.of(1, "a month", "cost", "breaks even at tokens", "a million tokens at full load");
    Upkeep.Month now = node.upkeep().month(node.utilisation());
    Upkeep.Month full = node.upkeep().month(1);
    double speed = node.tokensPerSecond();
    for (Counted counted : Counted.values()) {
      double million = BreakEven.perMillion(counted.of(full), speed);
      table.add(
          counted.words(),
          Numbers.money(counted.cost(now)),
          breakEven(curve, counted),
          speed == 0 ? "unknown" : Numbers.money(million, currency));
    }
    return table;
  }

  private static String breakEven(BreakEven curve, Counted counted) {
    if (curve.tokens(counted).isEmpty()) {
      return "never";
    }
    double tokens = curve.tokens(counted).getAsDouble();
    return Numbers.millions(tokens) + (tokens > curve.mostTokens() ? ", more than it can do" : "");
  }

  private List<String> sentences(BreakEven curve) {
    List<String> sentences = new ArrayList<>();
    sentences.add(measured());
    sentences.add(
        "The baseline charges "
            + Numbers.money(curve.perToken() * 1e6, currency)
            + " for a million tokens at the measured mix of input and output. "
            + Numbers.percent(node.reserveShare())
            + " of all answers came from managed endpoints; that share of the tokens is taken to be"
            + " bought at the baseline's price, with the node or without.");
    sentences.add(verdict(curve));
    return sentences;
  }

  private String measured() {
    boolean isShort = node.measured().compareTo(SHORT) < 0;
    return "Measured for "
        + Numbers.span(node.measured())
        + " and extrapolated to a month of "
        + Upkeep.HOURS_PER_MONTH
        + " hours"
        + (isShort ? ", of which that is a small part" : "")
        + ": "
        + Numbers.millions(node.tokensPerMonth())
        + " tokens asked for, the machine computing for "
        + Numbers.percent(node.utilisation())
        + " of the time, "
        + Numbers.rate(node.tokensPerSecond())
        + " tokens a second while it does, input included.";
  }

  private String verdict(BreakEven curve) {
    double tokens = node.tokensPerMonth();
    double saved = curve.baseline(tokens) - curve.withNode(Counted.ALL, tokens);
    return "In such a month the "
        + (saved > 0 ? "node" : "baseline")
        + " is cheaper, by "
        + Numbers.money(Math.abs(saved), currency)
        + " with everything counted.";
  }
}
