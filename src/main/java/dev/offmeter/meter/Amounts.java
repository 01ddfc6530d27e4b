// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.meter;

import java.math.BigDecimal;
import java.util.Currency;
import java.util.Objects;

/** Checks that prices and costs share; each message gives field, rule and value. */
final class Amounts {
  /**
   * The most digits of an amount, before and after the point together. A price needs some ten; a
   * number such as 1e999999999 would fill the heap when it is added.
   */
  /**
   * More than anything costs in any currency, and little enough that no database's sum overflows.
   */
  private static final BigDecimal MOST = BigDecimal.valueOf(1_000_000_000_000L);

  private static final int MOST_DIGITS = 40;

  private Amounts() {}

  /** Returns an amount of money of 0 or more, with the digits in which it was written. */
  static BigDecimal of(String field, Number amount) {
    BigDecimal value = exact(field, Objects.requireNonNull(amount, field).toString());
    if (value.signum() < 0) {
      throw new IllegalArgumentException(field + " must be at least 0, was " + amount);
    }
    if (value.compareTo(MOST) > 0) {
      throw new IllegalArgumentException(field + " must be at most " + MOST + ", was " + amount);
    }
    return value;
  }

  /** Returns the number that a text in decimal notation stands for. */
  static BigDecimal parsed(String field, String text) {
    return exact(field, Objects.requireNonNull(text, field));
  }

  private static BigDecimal exact(String field, String text) {
    BigDecimal value;
    try {
      value = new BigDecimal(text);
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException(
          field + " must be a finite number, was '" + shortened(text) + "'", e);
    }
    if (Math.abs((long) value.scale()) > MOST_DIGITS || value.precision() > MOST_DIGITS) {
      throw new IllegalArgumentException(
          field + " must have at most " + MOST_DIGITS + " digits, was " + shortened(text));
    }
    return value;
  }

  private static String shortened(String text) {
    return text.length() <= MOST_DIGITS ? text : text.substring(0, MOST_DIGITS) + "...";
  }

  /** Returns the code of an ISO 4217 currency. */
  static String currency(String code) {
    Objects.requireNonNull(code, "currency");
    try {
      return Currency.getInstance(code).getCurrencyCode();
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(
          "currency must be a code of ISO 4217 such as USD, was '" + code + "'", e);
    }
  }

  /** Returns an amount as it is shown: without trailing zeros, but with the cents. */
  static BigDecimal shown(BigDecimal amount) {
    BigDecimal stripped = amount.stripTrailingZeros();
    return stripped.scale() < 2 ? stripped.setScale(2) : stripped;
  }
}
