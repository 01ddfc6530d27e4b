// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.report;

import static dev.offmeter.internal.report.Samples.NODE;
import static dev.offmeter.internal.report.Samples.RESERVE;
import static dev.offmeter.internal.report.Samples.billed;
import static dev.offmeter.internal.report.Samples.own;
import static dev.offmeter.internal.report.Samples.report;
import static dev.offmeter.internal.report.Samples.snapshot;
import static dev.offmeter.internal.report.Samples.uncertain;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.guard.Budget;
import dev.offmeter.guard.BudgetStatus;
import dev.offmeter.meter.Cost;
import dev.offmeter.meter.MeterSnapshot;
import dev.offmeter.meter.MeterTotals;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** The contents of a report, as text. */
class CostReportTest {
  private static final String TEXT = report(snapshot()).text();

  private static String text(MeterTotals total) {
    return report(snapshot(total, Map.of(RESERVE, total), Map.of())).text();
  }

  @Test
  void saysForWhichTimeItIs() {
    assertThat(TEXT)
        .startsWith(
            "What the calls cost\n===================\n2026-11-01 00:00 to 2026-11-21 00:00")
        .contains("20.0 days");
  }

  @Test
  void beginsWithCostSavingAndShareOfOwnHardware() {
    assertThat(TEXT)
        .contains("Cost: about 3.25 USD (about 0.05 USD of it possibly billed)\n")
        .contains("Saved: about +20.75 USD (the baseline would have charged 24.00 USD;")
        .contains("Answered by own hardware: 80 % (of 1,990 answers by a model; 10 more by")
        .contains("Calls: 2,000 (10 without an answer)\n");
  }

  @Test
  void whatCostMoreThanTheBaselineIsBelowZero() {
    assertThat(text(billed(10, 0, 1000, 100, 1, "3.00", "1.25"))).contains("Saved: -1.75 USD (");
  }

  @Test
  void anUnknownCostIsUnknownAndNoSum() {
    assertThat(text(uncertain(billed(10, 0, 1000, 100, 1, "3.00", "1.25"), "0.00", 4)))
        .contains("Cost: unknown (at least 3.00 USD; 4 attempts at endpoints without a price)\n")
        .contains("Saved: unknown (")
        .containsPattern("reserve +managed .* unknown +unknown\n");
  }

  @Test
  void withoutABaselineNothingIsSaidToBeSaved() {
    MeterTotals nothing = MeterTotals.NOTHING;

    assertThat(text(nothing))
        .contains("Saved: unknown (there is no baseline to compare with)\n")
        .contains("There is no baseline, so there is nothing to break even with.\n")
        .containsPattern("everything counted +70\\.98 USD\n");
  }

  @Test
  void anEndpointThatWasNotAskedCostAndSavedNothing() {
    MeterTotals total = own(10, 0, 900, 100, 1, "0.10");

    assertThat(report(snapshot(total, Map.of(NODE, total), Map.of())).text())
        .containsPattern("reserve +managed +0 +0 +0 +0\\.0 +0\\.00 +0\\.00\n");
  }

  @Test
  void aNodeIsExtrapolatedToAMonthOf730Hours() {
    // 4.8 million tokens in 20 days of the node's own, 390 of 1,990 answers by the reserve.
    assertThat(TEXT.replace('\n', ' '))
        .contains("extrapolated to a month of 730 hours: 9.08 million tokens asked for")
        .contains("computing for 0.7 % of the time, 421 tokens a second")
        .contains("The baseline charges 4.17 USD for a million tokens")
        .contains("20 % of all answers came from managed endpoints")
        .contains("the baseline is cheaper, by 40.58 USD with everything counted");
    assertThat(TEXT)
        .containsPattern("everything counted +71\\.00 USD +21\\.2 million +0\\.0667 USD\n")
        .containsPattern("your time not counted +21\\.00 USD +6\\.27 million +0\\.0215 USD\n")
        .containsPattern("only power counted +1\\.55 USD +0\\.46 million +0\\.00396 USD\n");
  }

  @Test
  void aShortTimeIsSaidToBeOne() {
    MeterSnapshot snapshot = snapshot();
    String text =
        new CostReport(
                snapshot,
                snapshot.since().plus(Duration.ofMinutes(30)),
                ZoneOffset.UTC,
                Samples.endpoints(),
                List.of())
            .text();

    assertThat(text.replace('\n', ' '))
        .contains(
            "Measured for 30 min and extrapolated to a month of 730 hours, of which that is a")
        .contains("the node is cheaper, by");
    assertThat(TEXT).doesNotContain("of which that is a small part");
  }

  @Test
  void noTimeAtAllIsNotExtrapolated() {
    MeterSnapshot snapshot = snapshot();

    String text =
        new CostReport(snapshot, snapshot.since(), ZoneOffset.UTC, Samples.endpoints(), List.of())
            .text();

    assertThat(text).contains("No token was measured here, so there is nothing to extrapolate.");
  }

  @Test
  void moreTokensThanANodeCanDoAreNamed() {
    MeterTotals slow = own(10, 0, 90_000, 10_000, 12_000, "0.10");
    String text = report(snapshot(slow, Map.of(NODE, slow), Map.of())).text();

    assertThat(text).containsPattern("everything counted .* million, more than it can do");
  }

  @Test
  void anOutcomeHasItsCostInAllAndByTag() {
    assertThat(TEXT)
        .containsPattern("email-accepted +all calls +400 +about 0\\.00813 USD\n")
        .containsPattern("email-accepted +feature follow-up +100 +0\\.022 USD\n");
  }

  @Test
  void computeTimeIsToldForEachValueOfATag() {
    assertThat(TEXT).contains("By feature\n").containsPattern("follow-up +9,000\\.0 +1,500 +6 ");
  }

  @Test
  void budgetsAreShownIfThereAreAny() {
    Budget budget = Budget.money("reserve-month", "20.00", "USD").perMonth(ZoneOffset.UTC);
    BudgetStatus status =
        new BudgetStatus(
            budget,
            "",
            3_200_000_000L,
            0,
            Optional.of(Instant.parse("2026-12-01T00:00:00Z")),
            Optional.empty());
    String text =
        new CostReport(
                snapshot(),
                Samples.SINCE.plus(Duration.ofDays(20)),
                ZoneOffset.UTC,
                Samples.endpoints(),
                List.of(status))
            .text();

    assertThat(text)
        .containsPattern(
            "reserve-month +per month in Z +3\\.20 USD +0\\.00 USD +20\\.00 USD +2026-12-01 00:00 +not before\n");
    assertThat(TEXT).doesNotContain("Budgets");
  }

  @Test
  void ofMoreValuesThanAnyoneReadsTheFirstAreShown() {
    MeterTotals row = billed(1, 0, 10, 1, 1, "0.01", "0.01");
    Map<String, MeterTotals> features =
        IntStream.range(0, 45).boxed().collect(Collectors.toMap(i -> "feature-" + i, i -> row));

    String text = report(snapshot(row, Map.of(RESERVE, row), features)).text();

    assertThat(text).contains("Shown are 40 of 45; the CSV has all.");
    assertThat(text.lines().filter(line -> line.startsWith("feature-"))).hasSize(40);
  }

  @Test
  void aTextHasNoControlCharacters() {
    assertThat(TEXT.replace("\n", "")).doesNotContainPattern("\\p{Cntrl}");
  }

  @Test
  void anAmountBelowOneHasThreeDigits() {
    assertThat(List.of("1234.5", "0.5", "0.0012345", "0.0000001", "-0.25", "0"))
        .extracting(amount -> Numbers.money(Samples.usd(amount)))
        .containsExactly(
            "1,234.50 USD",
            "0.50 USD",
            "0.00123 USD",
            "less than 0.000001 USD",
            "-0.25 USD",
            "0.00 USD");
    assertThat(Numbers.money(Cost.UNKNOWN)).isEqualTo("unknown");
  }
}
