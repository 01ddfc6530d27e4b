// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples;

import java.math.BigDecimal;
import java.text.NumberFormat;
import java.time.LocalDate;
import java.time.format.DateTimeFormatter;
import java.util.Currency;
import java.util.Locale;

/** One overdue invoice. */
record Invoice(
    String number,
    String customer,
    String email,
    String service,
    BigDecimal amount,
    Currency currency,
    LocalDate due,
    int reminders) {
  private static final DateTimeFormatter DATE =
      DateTimeFormatter.ofPattern("d MMMM uuuu", Locale.ENGLISH);

  boolean isFirm() {
    return reminders >= 2;
  }

  /** The code and not the sign, which several currencies share. */
  String money() {
    NumberFormat format = NumberFormat.getNumberInstance(Locale.ENGLISH);
    format.setMinimumFractionDigits(currency.getDefaultFractionDigits());
    return currency.getCurrencyCode() + " " + format.format(amount);
  }

  String dueDate() {
    return DATE.format(due);
  }

  String subject() {
    return (isFirm() ? "Overdue: invoice " : "Payment reminder: invoice ") + number;
  }

  /** ASCII only, which every file system and console can spell. */
  String fileName() {
    return "invoice-" + number.replaceAll("[^A-Za-z0-9.-]", "_");
  }
}
