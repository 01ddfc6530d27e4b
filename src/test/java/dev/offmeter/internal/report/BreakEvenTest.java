// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.offmeter.internal.report.BreakEven.Counted;
import dev.offmeter.meter.Upkeep;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class BreakEvenTest {
  private static final double THREE_PER_MILLION = 3e-6;

  /** At 500 tokens a second. */
  private static final double SECONDS_PER_TOKEN = 0.002;

  private static Upkeep.Builder upkeep() {
    return Upkeep.builder().currency("USD");
  }

  private static double millions(BreakEven curve, Counted counted) {
    return curve.tokens(counted).orElseThrow() / 1e6;
  }

  @Test
  void aMachineOf320AMonthAt3PerMillionBreaksEvenAt106Point7Million() {
    BreakEven curve =
        new BreakEven(upkeep().price(320).build(), THREE_PER_MILLION, SECONDS_PER_TOKEN, 0);

    assertThat(millions(curve, Counted.ALL)).isEqualTo(106.7, within(0.05));
  }

  @Test
  void aMachineOf150AnHourAt2000TokensASecondCosts02083PerMillion() {
    double month = Counted.ALL.of(upkeep().rent(1.50, Upkeep.HOURS_PER_MONTH).build().month(1));

    assertThat(BreakEven.perMillion(month, 2000)).isEqualTo(0.2083, within(0.00005));
  }

  @Test
  void whatTheReserveAnswersAnywayIsNotSaved() {
    Upkeep upkeep = upkeep().price(320).build();

    BreakEven half = new BreakEven(upkeep, THREE_PER_MILLION, SECONDS_PER_TOKEN, 0.5);

    assertThat(millions(half, Counted.ALL)).isEqualTo(2 * 106.667, within(0.01));
  }

  @ParameterizedTest
  @EnumSource
  void whereItBreaksEvenNodeAndReserveCostAsMuchAsTheBaseline(Counted counted) {
    BreakEven curve = new BreakEven(Samples.UPKEEP, THREE_PER_MILLION, SECONDS_PER_TOKEN, 0.2);

    double tokens = curve.tokens(counted).orElseThrow();

    assertThat(curve.withNode(counted, tokens)).isEqualTo(curve.baseline(tokens), within(1e-6));
    assertThat(curve.withNode(counted, tokens / 2)).isGreaterThan(curve.baseline(tokens / 2));
    assertThat(curve.withNode(counted, tokens * 2)).isLessThan(curve.baseline(tokens * 2));
  }

  @Test
  void theLessIsCountedTheSoonerItBreaksEven() {
    BreakEven curve = new BreakEven(Samples.UPKEEP, THREE_PER_MILLION, SECONDS_PER_TOKEN, 0);

    assertThat(millions(curve, Counted.POWER))
        .isLessThan(millions(curve, Counted.WITHOUT_YOUR_TIME));
    assertThat(millions(curve, Counted.WITHOUT_YOUR_TIME)).isLessThan(millions(curve, Counted.ALL));
  }

  @Test
  void aTokenWhosePowerCostsMoreThanTheBaselinesNeverPays() {
    // 1000 W for 0.036 s is 0.00001 kWh.
    Upkeep upkeep = upkeep().watts(1000).idleWatts(0).kwh(0.30).price(1).build();

    assertThat(new BreakEven(upkeep, 2.9e-6, 0.036, 0).tokens(Counted.ALL)).isEmpty();
    assertThat(new BreakEven(upkeep, 3.1e-6, 0.036, 0).tokens(Counted.ALL)).isPresent();
  }

  @Test
  void aNodeForWhichTheReserveAnswersEverythingNeverPays() {
    BreakEven curve = new BreakEven(Samples.UPKEEP, THREE_PER_MILLION, SECONDS_PER_TOKEN, 1);

    assertThat(curve.tokens(Counted.POWER)).isEmpty();
  }

  @Test
  void aMonthHasRoomForAsManyTokensAsAreComputedInIt() {
    BreakEven curve = new BreakEven(Samples.UPKEEP, THREE_PER_MILLION, SECONDS_PER_TOKEN, 0.2);

    assertThat(curve.mostTokens() * 0.8).isEqualTo(500 * 730 * 3600.0, within(1.0));
    assertThat(curve.utilisation(curve.mostTokens() / 4)).isEqualTo(0.25, within(1e-9));
    assertThat(curve.utilisation(curve.mostTokens() * 2)).isEqualTo(1);
  }
}
