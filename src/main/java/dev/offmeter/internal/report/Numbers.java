// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.report;

import dev.offmeter.meter.Cost;
import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;
import java.time.Duration;
import java.util.Locale;

/** Numbers as the report shows them: alike in every language of the JVM. */
final class Numbers {
  private static final BigDecimal LEAST = new BigDecimal("0.000001");
  private static final int MILLION = 1_000_000;

  private Numbers() {}

  /** Returns an amount with its currency, or {@code unknown}. */
  static String money(Cost cost) {
    if (!cost.isKnown()) {
      return "unknown";
    }
    return (cost.isEstimated() ? "about " : "") + money(cost.amount(), cost.currency());
  }

  /** Returns a difference with its sign, or {@code unknown}. */
  static String signed(Cost cost) {
    String plus = cost.isKnown() && cost.amount().signum() > 0 ? "+" : "";
    return cost.isKnown() && cost.isEstimated()
        ? "about " + plus + money(cost.amount(), cost.currency())
        : plus + money(cost);
  }

  static String money(double amount, String currency) {
    return money(BigDecimal.valueOf(amount), currency);
  }

  private static String money(BigDecimal amount, String currency) {
    return currency.isEmpty() ? rounded(amount) : rounded(amount) + " " + currency;
  }

  /** Returns an amount with two decimals, or one below 1 with three digits. */
  private static String rounded(BigDecimal amount) {
    BigDecimal size = amount.abs();
    if (size.signum() == 0 || size.compareTo(BigDecimal.ONE) >= 0) {
      return String.format(Locale.ROOT, "%,.2f", amount);
    }
    if (size.compareTo(LEAST) < 0) {
      return amount.signum() > 0 ? "less than 0.000001" : "-0.000001";
    }
    BigDecimal digits = amount.round(new MathContext(3));
    BigDecimal shown =
        digits.scale() > LEAST.scale()
            ? digits.setScale(LEAST.scale(), RoundingMode.HALF_UP)
            : digits;
    BigDecimal stripped = shown.stripTrailingZeros();
    return (stripped.scale() < 2 ? stripped.setScale(2) : stripped).toPlainString();
  }

  static String count(long number) {
    return String.format(Locale.ROOT, "%,d", number);
  }

  /** Returns a number of tokens, in millions. */
  static String millions(double tokens) {
    double millions = tokens / MILLION;
    String digits = millions >= 10 || millions == 0 ? "%,.1f" : millions >= 0.1 ? "%.2f" : "%.4f";
    return String.format(Locale.ROOT, digits, millions) + " million";
  }

  static String rate(double perSecond) {
    return String.format(Locale.ROOT, perSecond < 10 ? "%.1f" : "%,.0f", perSecond);
  }

  static String seconds(Duration time) {
    return String.format(Locale.ROOT, "%,.1f", time.toMillis() / 1000.0);
  }

  static String percent(double share) {
    double percent = 100 * share;
    return String.format(Locale.ROOT, percent > 0 && percent < 10 ? "%.1f %%" : "%.0f %%", percent);
  }

  static String ratio(long part, long whole) {
    return whole == 0 ? "none" : percent((double) part / whole);
  }

  /** Returns a time span in its largest unit. */
  static String span(Duration time) {
    double seconds = time.toMillis() / 1000.0;
    if (seconds < 120) {
      return String.format(Locale.ROOT, "%.1f s", seconds);
    }
    if (seconds < 7200) {
      return String.format(Locale.ROOT, "%.0f min", seconds / 60);
    }
    return seconds < 172_800
        ? String.format(Locale.ROOT, "%.1f hours", seconds / 3600)
        : String.format(Locale.ROOT, "%.1f days", seconds / 86_400);
  }
}
