// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.meter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.offmeter.Usage;
import java.math.BigDecimal;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PriceTest {
  private static Cost cost(Price price, Usage usage) {
    return price.cost(usage, Duration.ZERO);
  }

  @Test
  void aMillionInAndHalfAMillionOutAreChargedApart() {
    Cost cost = cost(Price.perMillionTokens("USD", 3, 15), new Usage(1_000_000, 500_000));

    assertThat(cost.amount()).isEqualTo("10.50");
    assertThat(cost).hasToString("10.50 USD");
    assertThat(cost.isEstimated()).isFalse();
  }

  @Test
  void aFewTokensCostFractionsOfACentExactly() {
    assertThat(cost(Price.perMillionTokens("USD", 30, 30), new Usage(1000, 500)).amount())
        .isEqualTo("0.045");
    assertThat(cost(Price.perMillionTokens("USD", 0.15, 0.6), new Usage(1, 1)).amount())
        .isEqualTo("0.00000075");
  }

  @Test
  void cachedInputAndThinkingHavePricesOfTheirOwn() {
    Price price =
        Price.perMillionTokens("USD", 3, 15).cachedInput(0.3).cacheWrite("3.75").thinking(20);
    Usage usage = new Usage(1000, 100).withCache(600, 100).withThinking(40);

    // 300 x 3 + 600 x 0.3 + 100 x 3.75 + 60 x 15 + 40 x 20, per million.
    assertThat(cost(price, usage).amount()).isEqualTo("0.003155");
  }

  @Test
  void cachedInputAndThinkingCostAsMuchAsOthersByDefault() {
    Usage usage = new Usage(1000, 100).withCache(600, 100).withThinking(40);

    assertThat(cost(Price.perMillionTokens("USD", 3, 15), usage))
        .isEqualTo(cost(Price.perMillionTokens("USD", 3, 15), new Usage(1000, 100)));
  }

  @Test
  void anotherPriceHoldsForAllTokensOfALongRequest() {
    Price price =
        Price.perMillionTokens("USD", 3, 15).above(200_000, Price.perMillionTokens("USD", 6, 22.5));

    assertThat(cost(price, new Usage(200_000, 0)).amount()).isEqualTo("0.60");
    assertThat(cost(price, new Usage(200_001, 0)).amount()).isEqualTo("1.200006");
  }

  @Test
  void aRequestAndASecondHavePrices() {
    Price perRequest = Price.perMillionTokens("EUR", 0, 0).request("0.005");
    assertThat(cost(perRequest, Usage.NONE)).hasToString("0.005 EUR");

    Cost perSecond = Price.perSecond("EUR", "0.0005").cost(Usage.NONE, Duration.ofMillis(2500));
    assertThat(perSecond.amount()).isEqualTo("0.00125");
  }

  @Test
  void whatIsFreeCostsNothingAndIsKnown() {
    Cost cost = cost(Price.free(), new Usage(1000, 1000));

    assertThat(cost.isKnown()).isTrue();
    assertThat(cost.amount()).isEqualTo("0.00");
    assertThat(Price.free().isFree()).isTrue();
    assertThat(Price.perMillionTokens("USD", 0, 0).thinking(1).isFree()).isFalse();
    assertThat(Price.perMillionTokens("USD", 0, 0).isFree()).isTrue();
  }

  @ParameterizedTest
  @ValueSource(doubles = {-0.01, Double.NaN, Double.POSITIVE_INFINITY})
  void anAmountIsANumberOfAtLeastZero(double amount) {
    assertThatThrownBy(() -> Price.perMillionTokens("USD", amount, 1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("input must be ")
        .hasMessageContaining("was ");
  }

  @ParameterizedTest
  @ValueSource(strings = {"1e999999999", "1e-999999999", "", "a dollar", "0x10"})
  void anAmountHasAReasonableNumberOfDigits(String amount) {
    assertThatThrownBy(() -> Price.perSecond("USD", amount))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith("amount must ");
  }

  @ParameterizedTest
  @ValueSource(strings = {"dollars", "usd", "", "XYZ1"})
  void aCurrencyIsAnIsoCode(String currency) {
    assertThatThrownBy(() -> Price.perMillionTokens(currency, 1, 1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("currency must be a code of ISO 4217 such as USD, was '" + currency + "'");
  }

  @Test
  void whatIsFreeCannotChargeForAPart() {
    assertThatThrownBy(() -> Price.free().request(1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("request must be 0 for a price that is free, was 1");
  }

  @Test
  void thePriceOfALongRequestIsInTheSameCurrency() {
    assertThatThrownBy(
            () ->
                Price.perMillionTokens("USD", 1, 1)
                    .above(1000, Price.perMillionTokens("EUR", 1, 1)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("currency of the price above must be USD, was EUR");
  }

  @Test
  void costsOfTwoCurrenciesAreNotAdded() {
    Cost dollars = Cost.of(BigDecimal.ONE, "USD", "");
    Cost euros = Cost.of(BigDecimal.ONE, "EUR", "");

    assertThatThrownBy(() -> dollars.plus(euros))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("currency must be the same to add costs, was USD and EUR");
  }

  @Test
  void aSumWithAnUnknownCostIsUnknown() {
    Cost sum = Cost.of(BigDecimal.ONE, "USD", "").plus(Cost.UNKNOWN);

    assertThat(sum.isKnown()).isFalse();
    assertThat(sum).hasToString("unknown");
    assertThatThrownBy(sum::amount).isInstanceOf(IllegalStateException.class);
  }

  @Test
  void aSumWithAnEstimateIsAnEstimate() {
    Cost sum = Cost.of(BigDecimal.ONE, "USD", "endpoint").asEstimated().plus(Cost.NONE);

    assertThat(sum).hasToString("about 1.00 USD");
    assertThat(sum.priceSource()).isEqualTo("endpoint");
  }

  @Test
  void theMostIsAtTheDearestSortOfEachToken() {
    Price price = Price.perMillionTokens("USD", 1, 10).cachedInput(0.1).cacheWrite(2).thinking(20);

    assertThat(price.most(1_000_000, 1_000_000, Duration.ZERO)).hasToString("22.00 USD");
    assertThat(
            price
                .above(500_000, Price.perMillionTokens("USD", 3, 5))
                .most(1_000_000, 0, Duration.ZERO))
        .hasToString("3.00 USD");
    assertThat(
            price
                .above(500_000, Price.perMillionTokens("USD", 3, 5))
                .most(500_000, 0, Duration.ZERO))
        .hasToString("1.00 USD");
    assertThat(Price.perSecond("USD", "0.5").request(1).most(7, 7, Duration.ofSeconds(3)))
        .hasToString("2.50 USD");
    assertThat(Price.free().most(7, 7, Duration.ofSeconds(3)).amount()).isZero();
  }

  @Test
  void aPriceThatIsAbsurdIsRejected() {
    assertThatThrownBy(() -> Price.perMillionTokens("USD", "1e40", "0"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("must be at most 1000000000000, was ");
  }
}
