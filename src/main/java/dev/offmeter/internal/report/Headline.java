// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.report;

import dev.offmeter.internal.report.MeteredEndpoint.Kind;
import dev.offmeter.meter.Cost;
import dev.offmeter.meter.MeterTotals;
import java.util.List;

/** The figures at the top of the report. */
final class Headline {
  static final String TITLE = "What the calls cost";

  /**
   * One figure.
   *
   * @param label its name
   * @param value its value, with its unit
   * @param note what has to be known about it; may be empty
   */
  record Item(String label, String value, String note) {}

  private final Figures figures;
  private final MeterTotals total;

  Headline(Figures figures) {
    this.figures = figures;
    this.total = figures.snapshot().total();
  }

  /** Returns the time that the report is about. */
  String time() {
    return figures.minute(figures.snapshot().since())
        + " to "
        + figures.minute(figures.until())
        + " "
        + figures.zone()
        + ", "
        + Numbers.span(figures.measured());
  }

  List<Item> items() {
    return List.of(cost(), saved(), ownShare(), calls());
  }

  private Item cost() {
    String note =
        total.attemptsOfUnknownCost() > 0
            ? "at least "
                + Numbers.money(total.knownCost())
                + "; "
                + Numbers.count(total.attemptsOfUnknownCost())
                + " attempts at endpoints without a price"
            : possiblyBilled();
    return new Item("Cost", Numbers.money(total.cost()), note);
  }

  private String possiblyBilled() {
    Cost possibly = total.possiblyBilled();
    return possibly.isKnown() && possibly.amount().signum() == 0
        ? "as billed for calls; machines are not counted"
        : Numbers.money(possibly) + " of it possibly billed";
  }

  private Item saved() {
    String note =
        total.baselineCost().isKnown()
            ? "the baseline would have charged "
                + Numbers.money(total.baselineCost())
                + "; machines are not counted"
            : "there is no baseline to compare with";
    return new Item("Saved", Numbers.signed(total.saved()), note);
  }

  private Item ownShare() {
    long models = figures.answersByModels();
    long functions = figures.answers(Kind.FUNCTION);
    String note =
        "of "
            + Numbers.count(models)
            + " answers by a model"
            + (functions == 0 ? "" : "; " + Numbers.count(functions) + " more by functions");
    return new Item(
        "Answered by own hardware", Numbers.ratio(figures.answers(Kind.OWN), models), note);
  }

  private Item calls() {
    return new Item(
        "Calls",
        Numbers.count(total.calls()),
        Numbers.count(total.failed()) + " without an answer");
  }
}
