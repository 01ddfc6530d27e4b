// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.meter;

import java.math.BigDecimal;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A sum of money that something cost, or the statement that it is unknown. Unknown is not zero: an
 * unknown cost has no amount. Immutable, so safe for use by many threads.
 */
public final class Cost {
  /** No cost: nothing that bills was asked. */
  public static final Cost NONE = new Cost(BigDecimal.ZERO.setScale(2), "", false, "");

  /** An unknown cost: something was asked whose price is not known. */
  public static final Cost UNKNOWN = new Cost(null, "", false, "");

  private final @Nullable BigDecimal amount;
  private final String currency;
  private final boolean estimated;
  private final String priceSource;

  private Cost(
      @Nullable BigDecimal amount, String currency, boolean estimated, String priceSource) {
    this.amount = amount;
    this.currency = currency;
    this.estimated = estimated;
    this.priceSource = priceSource;
  }

  /**
   * Returns a cost.
   *
   * @param amount may be negative for a difference
   * @param currency an ISO 4217 code, such as {@code USD}
   * @param priceSource where the price comes from
   * @throws IllegalArgumentException if there is no such currency
   */
  public static Cost of(BigDecimal amount, String currency, String priceSource) {
    Objects.requireNonNull(amount, "amount");
    Objects.requireNonNull(priceSource, "priceSource");
    return new Cost(Amounts.shown(amount), Amounts.currency(currency), false, priceSource);
  }

  /** Returns no cost, at a price that is free. */
  static Cost ofNothing(String priceSource) {
    return priceSource.isEmpty() ? NONE : new Cost(NONE.amount, "", false, priceSource);
  }

  /** Returns this cost, flagged as estimated. */
  public Cost asEstimated() {
    return amount == null || amount.signum() == 0 || estimated
        ? this
        : new Cost(amount, currency, true, priceSource);
  }

  /** Returns whether the amount is known. */
  public boolean isKnown() {
    return amount != null;
  }

  /**
   * Returns whether the amount was estimated, wholly or in part, because an endpoint did not report
   * what it used. An estimate is meant to lie above what is billed.
   */
  public boolean isEstimated() {
    return estimated;
  }

  /**
   * Returns the amount, exact, with at least two decimals; negative for a difference below zero.
   *
   * @throws IllegalStateException if the cost is unknown; ask {@link #isKnown()} first
   */
  public BigDecimal amount() {
    if (amount == null) {
      throw new IllegalStateException("the cost must be known to have an amount, was unknown");
    }
    return amount;
  }

  /** Returns the ISO 4217 code of the currency; empty for {@link #NONE} and an unknown cost. */
  public String currency() {
    return currency;
  }

  /**
   * Returns where the price comes from: {@code endpoint} if it was set on the endpoint, the name of
   * the price list, {@code self-hosted} for your own hardware without a price; several are
   * separated by commas, those of parts that cost nothing left out; empty for no or an unknown
   * cost.
   */
  public String priceSource() {
    return priceSource;
  }

  /**
   * Returns the sum. The sum with an unknown cost is unknown.
   *
   * @throws IllegalArgumentException if the currencies differ
   */
  public Cost plus(Cost other) {
    if (amount == null || other.amount == null) {
      return UNKNOWN;
    }
    return new Cost(
        Amounts.shown(amount.add(other.amount)),
        commonCurrency(other),
        estimated || other.estimated,
        sources(other));
  }

  /**
   * Returns the difference. The difference from an unknown cost is unknown.
   *
   * @throws IllegalArgumentException if the currencies differ
   */
  public Cost minus(Cost other) {
    return other.amount == null ? UNKNOWN : plus(other.negated());
  }

  /** Returns a known cost with another amount. */
  Cost withAmount(BigDecimal other) {
    return new Cost(Amounts.shown(other), currency, estimated, priceSource);
  }

  private Cost negated() {
    return withAmount(amount().negate());
  }

  private String commonCurrency(Cost other) {
    if (currency.isEmpty() || currency.equals(other.currency)) {
      return other.currency;
    }
    if (!other.currency.isEmpty()) {
      throw new IllegalArgumentException(
          "currency must be the same to add costs, was " + currency + " and " + other.currency);
    }
    return currency;
  }

  private String sources(Cost other) {
    if (priceSource.isEmpty() || priceSource.equals(other.priceSource)) {
      return other.priceSource;
    }
    if (other.priceSource.isEmpty() || other.currency.isEmpty()) {
      return priceSource;
    }
    return currency.isEmpty() ? other.priceSource : priceSource + ", " + other.priceSource;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Cost cost
        && Objects.equals(amount, cost.amount)
        && currency.equals(cost.currency)
        && estimated == cost.estimated
        && priceSource.equals(cost.priceSource);
  }

  @Override
  public int hashCode() {
    return Objects.hash(amount, currency, estimated, priceSource);
  }

  /** Returns the amount and the currency, {@code about} before an estimate, or {@code unknown}. */
  @Override
  public String toString() {
    if (amount == null) {
      return "unknown";
    }
    String sum = amount.toPlainString() + (currency.isEmpty() ? "" : " " + currency);
    return estimated ? "about " + sum : sum;
  }
}
