// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples;

import java.math.BigDecimal;
import java.time.LocalDate;
import java.time.format.DateTimeParseException;
import java.util.Currency;
import java.util.List;
import java.util.regex.Pattern;
import org.apache.commons.csv.CSVRecord;

/** Reads an invoice from a row, or says why it holds none. */
final class InvoiceRow {
  static final List<String> COLUMNS =
      List.of("invoice", "customer", "email", "service", "amount", "currency", "due", "reminders");

  private static final Pattern EMAIL =
      Pattern.compile("[!-~&&[^@<>()\\[\\],;:\\\\\"]]+@[A-Za-z0-9.-]+");
  private static final Pattern AMOUNT = Pattern.compile("[0-9]{1,12}(\\.[0-9]+)?");
  private static final Pattern REMINDERS = Pattern.compile("[0-9]{1,2}");
  private static final Pattern CONTROL = Pattern.compile("\\p{Cntrl}");

  private final LocalDate today;

  InvoiceRow(LocalDate today) {
    this.today = today;
  }

  /**
   * The invoice.
   *
   * @throws IllegalArgumentException if the row is none; the message says why
   */
  Invoice invoice(CSVRecord row) {
    if (!row.isConsistent()) {
      int expected = row.getParser().getHeaderNames().size();
      throw new IllegalArgumentException(
          "the number of columns is " + row.size() + " instead of " + expected);
    }
    Currency currency = currency(text(row, "currency"));
    return new Invoice(
        text(row, "invoice"),
        text(row, "customer"),
        matching(row, "email", EMAIL, "an address such as ap@example.com"),
        text(row, "service"),
        amount(row, currency),
        currency,
        due(text(row, "due")),
        Integer.parseInt(matching(row, "reminders", REMINDERS, "a whole number from 0 to 99")));
  }

  /** Returns a value of one line: a line break in a name would start a new header in the email. */
  private static String text(CSVRecord row, String column) {
    String value = row.get(column);
    if (value.isBlank() || CONTROL.matcher(value).find()) {
      throw new IllegalArgumentException(
          column + (value.isBlank() ? " must not be blank" : " must be a single line"));
    }
    return value;
  }

  private static String matching(CSVRecord row, String column, Pattern pattern, String rule) {
    String value = text(row, column);
    if (!pattern.matcher(value).matches()) {
      throw wrong(column, rule, value);
    }
    return value;
  }

  private static Currency currency(String code) {
    try {
      Currency currency = Currency.getInstance(code);
      if (currency.getDefaultFractionDigits() >= 0) {
        return currency;
      }
    } catch (IllegalArgumentException e) {
      // Falls through to the message below: this one has none.
    }
    throw wrong("currency", "an ISO 4217 code such as EUR", code);
  }

  private static BigDecimal amount(CSVRecord row, Currency currency) {
    String value = matching(row, "amount", AMOUNT, "a number such as 1250.00");
    BigDecimal amount = new BigDecimal(value);
    int digits = currency.getDefaultFractionDigits();
    if (amount.signum() == 0 || amount.stripTrailingZeros().scale() > digits) {
      throw wrong("amount", "above 0 with at most " + digits + " decimals in " + currency, value);
    }
    return amount;
  }

  private LocalDate due(String value) {
    LocalDate due = date(value);
    if (!due.isBefore(today)) {
      throw wrong("due", "a day in the past", value);
    }
    return due;
  }

  private static LocalDate date(String value) {
    try {
      return LocalDate.parse(value);
    } catch (DateTimeParseException e) {
      throw wrong("due", "a date such as 2026-09-30", value);
    }
  }

  private static IllegalArgumentException wrong(String column, String rule, String value) {
    return new IllegalArgumentException(column + " must be " + rule + ", was '" + value + "'");
  }
}
