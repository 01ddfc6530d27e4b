// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.meter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.math.BigDecimal;
import java.math.RoundingMode;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class UpkeepTest {
  private static Upkeep.Builder upkeep() {
    return Upkeep.builder().currency("EUR");
  }

  /** Returns an amount as a bill would show it. */
  private static BigDecimal cents(Cost cost) {
    return cost.amount().setScale(2, RoundingMode.HALF_UP);
  }

  @Test
  void rentOf150AnHourFor30PercentOfAMonthIs32850() {
    double hours = Upkeep.HOURS_PER_MONTH * 0.30;

    Upkeep.Month month = upkeep().rent(1.50, hours).build().month(0);

    assertThat(month.machine()).hasToString("328.50 EUR");
    assertThat(month.fullyLoaded()).isEqualTo(month.machine());
  }

  @Test
  void powerOf1500WattsAt30CentsForAMonthIs32850() {
    Upkeep.Month month = upkeep().watts(1500).kwh(0.30).build().month(1);

    assertThat(month.power()).hasToString("328.50 EUR");
  }

  @Test
  void aPriceOf15000Over36MonthsIs41667AMonth() {
    Upkeep.Month month = upkeep().price(15_000).months(36).build().month(1);

    assertThat(cents(month.machine())).isEqualTo("416.67");
  }

  @Test
  void aPriceOf2799Over36MonthsIs7775AMonth() {
    Upkeep.Month month = upkeep().price(2799).months(36).build().month(1);

    assertThat(month.machine()).hasToString("77.75 EUR");
  }

  @Test
  void aMonthHas730Hours() {
    assertThat(Upkeep.HOURS_PER_MONTH).isEqualTo(365 * 24 / 12);
    assertThat(upkeep().watts(1000).kwh(1).build().month(1).power()).hasToString("730.00 EUR");
  }

  @Test
  void aMonthIsToldFullyLoadedWithoutYourTimeAndAsPowerOnly() {
    Upkeep.Month month =
        upkeep().price(720).months(36).watts(20).kwh(0.30).hours(1).rate(50).build().month(0.5);

    assertThat(month.fullyLoaded()).hasToString("74.38 EUR");
    assertThat(month.withoutYourTime()).hasToString("24.38 EUR");
    assertThat(month.powerOnly()).hasToString("4.38 EUR");
  }

  @Test
  void powerFollowsTheTimeForWhichTheMachineComputes() {
    Upkeep upkeep = upkeep().watts(100).idleWatts(20).kwh(1).build();

    assertThat(upkeep.month(0).power()).hasToString("14.60 EUR");
    assertThat(upkeep.month(0.25).power()).hasToString("29.20 EUR");
    assertThat(upkeep.month(1).power()).hasToString("73.00 EUR");
  }

  @Test
  void amountsAreTakenByTheirDecimalNotation() {
    Upkeep upkeep = upkeep().hours(0.1).rate(0.3).build();

    assertThat(upkeep.month(0).time())
        .isEqualTo(upkeep().hours(3).rate(0.01).build().month(0).time());
    assertThat(upkeep.month(0).time()).hasToString("0.03 EUR");
  }

  @ParameterizedTest
  @ValueSource(doubles = {-0.01, 1.01, Double.NaN})
  void aUtilisationIsFromNoneToAllOfTheTime(double utilisation) {
    assertThatThrownBy(() -> upkeep().build().month(utilisation))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("utilisation must be from 0 to 1, was " + utilisation);
  }

  @Test
  void anAmountBelowZeroIsNamed() {
    assertThatThrownBy(() -> upkeep().price(-1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("price must be at least 0, was -1");
    assertThatThrownBy(() -> upkeep().watts(-1)).hasMessageStartingWith("watts must be at least 0");
    assertThatThrownBy(() -> upkeep().idleWatts(-1)).hasMessageStartingWith("idleWatts must");
    assertThatThrownBy(() -> upkeep().kwh(-0.1)).hasMessage("kwh must be at least 0, was -0.1");
    assertThatThrownBy(() -> upkeep().hours(-1)).hasMessageStartingWith("hours must be at least 0");
    assertThatThrownBy(() -> upkeep().rate(-1)).hasMessageStartingWith("rate must be at least 0");
    assertThatThrownBy(() -> upkeep().rent(-1, 1)).hasMessageStartingWith("perHour must");
  }

  @Test
  void aPriceIsSpreadOverOneMonthAtLeast() {
    assertThatThrownBy(() -> upkeep().months(0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("months must be at least 1, was 0");
  }

  @Test
  void nothingIsRentedForLongerThanAMonth() {
    assertThatThrownBy(() -> upkeep().rent(1.50, 731))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("hoursPerMonth must be at most 730, was 731");
  }

  @Test
  void aCurrencyIsRequiredAndOfIso4217() {
    assertThatThrownBy(() -> Upkeep.builder().build())
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("currency must be set, was not: such as EUR");
    assertThatThrownBy(() -> Upkeep.builder().currency("euro"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith("currency must be a code of ISO 4217");
  }

  @Test
  void aMachineDoesNotDrawMoreWhileIdle() {
    assertThatThrownBy(() -> upkeep().watts(20).idleWatts(21).build())
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("idleWatts must be at most watts, 20, was 21");
  }

  @Test
  void aCopyKeepsWhatIsNotChanged() {
    Upkeep upkeep = upkeep().price(700).months(35).watts(20).idleWatts(7).kwh(0.30).build();

    Upkeep dearer = upkeep.toBuilder().price(1400).build();

    assertThat(dearer.month(1).machine()).hasToString("40.00 EUR");
    assertThat(dearer.month(0.5).power()).isEqualTo(upkeep.month(0.5).power());
    assertThat(dearer).hasToString(upkeep.toString().replace("700", "1400"));
  }
}
