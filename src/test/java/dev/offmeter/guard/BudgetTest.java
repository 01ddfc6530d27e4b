// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.guard;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class BudgetTest {
  private static final ZoneId ZURICH = ZoneId.of("Europe/Zurich");

  @ParameterizedTest
  @CsvSource({
    // Clocks go forward on 29 March 2026 and back on 25 October: days of 23 and 25 hours.
    "2026-03-29T10:00:00Z, 2026-03-28T23:00:00Z, 2026-03-29T22:00:00Z",
    "2026-10-25T10:00:00Z, 2026-10-24T22:00:00Z, 2026-10-25T23:00:00Z",
    "2026-01-31T22:59:59Z, 2026-01-30T23:00:00Z, 2026-01-31T23:00:00Z",
    "2026-01-31T23:00:00Z, 2026-01-31T23:00:00Z, 2026-02-01T23:00:00Z"
  })
  void aDayIsThatOfTheZone(Instant moment, Instant start, Instant end) {
    BudgetWindow day = Budget.calls("b", 1).perDay(ZURICH).window();

    assertThat(day.startOf(moment)).isEqualTo(start);
    assertThat(day.endOf(moment)).isEqualTo(end);
  }

  @Test
  void aWeekBeginsOnMonday() {
    BudgetWindow week = Budget.calls("b", 1).perWeek(ZURICH).window();
    Instant sunday = Instant.parse("2026-11-29T22:59:59Z");

    assertThat(week.startOf(sunday)).isEqualTo(Instant.parse("2026-11-22T23:00:00Z"));
    assertThat(week.endOf(sunday)).isEqualTo(Instant.parse("2026-11-29T23:00:00Z"));
    assertThat(week.startOf(sunday.plusSeconds(1))).isEqualTo(week.endOf(sunday));
  }

  @Test
  void aMonthIsAsLongAsTheCalendarSays() {
    BudgetWindow month = Budget.calls("b", 1).perMonth(ZURICH).window();
    Instant leapDay = Instant.parse("2028-02-29T12:00:00Z");

    assertThat(month.startOf(leapDay)).isEqualTo(Instant.parse("2028-01-31T23:00:00Z"));
    assertThat(month.endOf(leapDay)).isEqualTo(Instant.parse("2028-02-29T23:00:00Z"));
  }

  @Test
  void moneyIsCountedInBillionths() {
    Budget budget = Budget.money("b", "20.00", "USD");

    assertThat(budget.limit()).isEqualTo(20_000_000_000L);
    assertThat(budget.shown(12_340_000_000L)).isEqualTo("12.34 USD");
    assertThat(budget.shown(1)).isEqualTo("0.000000001 USD");
    assertThat(budget).hasToString("Budget[b, 20.00 USD in all]");
  }

  @ParameterizedTest
  @ValueSource(strings = {"0", "-1", "", "twenty", "1e99", "9999999999999", "0.0000000001", "NaN"})
  void anAmountIsMoreThanZeroAndCanBeCounted(String amount) {
    assertThatThrownBy(() -> Budget.money("b", amount, "USD"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "amount must be more than 0 and at most 9 billion, with at most 9 decimals, was '"
                + amount
                + "'");
  }

  @Test
  void wrongValuesAreNamed() {
    assertThatThrownBy(() -> Budget.money("b", "1", "dollars"))
        .hasMessage("currency must be a code of ISO 4217 such as USD, was 'dollars'");
    assertThatThrownBy(() -> Budget.calls("b", 0)).hasMessage("calls must be at least 1, was 0");
    assertThatThrownBy(() -> Budget.computeTime("b", Duration.ofNanos(5)))
        .hasMessage("computeTime in ms must be at least 1, was 0");
    assertThatThrownBy(() -> Budget.calls(" ", 1))
        .hasMessage("name must not be blank and have no '|', was ' '");
    assertThatThrownBy(() -> Budget.calls("b", 1).perRolling(Duration.ofSeconds(59)))
        .hasMessage("window must be from 1 minute to 366 days, was PT59S");
    assertThatThrownBy(() -> Budget.calls("b", 1).alertAt(0.5, 1.5))
        .hasMessage("alertAt must be more than 0 and at most 1, was 1.5");
  }

  @Test
  void settingsAreKeptByCopies() {
    Budget budget =
        Budget.tokens("b", 1000)
            .perDay(ZURICH)
            .endpoint("reserve")
            .tag("feature", "follow-up")
            .whenExceeded(Budget.WhenExceeded.REJECT)
            .alertAt(0.8, 0.5);

    assertThat(budget.endpoint()).contains("reserve");
    assertThat(budget.tag()).contains("feature");
    assertThat(budget.tagValue()).contains("follow-up");
    assertThat(budget.whenExceeded()).isEqualTo(Budget.WhenExceeded.REJECT);
    assertThat(budget.alerts()).containsExactly(0.5, 0.8);
    assertThat(budget.window()).hasToString("per day in Europe/Zurich");
  }
}
