// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples;

import java.io.IOException;
import java.io.InputStream;
import java.io.StringReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.apache.commons.csv.CSVFormat;
import org.apache.commons.csv.CSVParser;
import org.apache.commons.csv.CSVRecord;

/** Reads invoices; a row that is not one becomes a problem under its line number. */
final class InvoiceCsv {
  private static final CSVFormat FORMAT =
      CSVFormat.RFC4180
          .builder()
          .setHeader()
          .setSkipHeaderRecord(true)
          .setIgnoreEmptyLines(false)
          .setTrim(true)
          .get();

  private final CSVParser rows;
  private final InvoiceRow check;
  private final List<Invoice> invoices = new ArrayList<>();
  private final Map<Long, String> problems = new TreeMap<>();
  private final Map<String, Long> fileNames = new HashMap<>();

  private InvoiceCsv(CSVParser rows, LocalDate today) {
    this.rows = rows;
    this.check = new InvoiceRow(today);
  }

  static InvoiceCsv shipped(LocalDate today) {
    try (InputStream file = InvoiceCsv.class.getResourceAsStream("/invoices.csv")) {
      return read(new String(file.readAllBytes(), StandardCharsets.UTF_8), today);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static InvoiceCsv read(Path file, LocalDate today) throws IOException {
    return read(Files.readString(file), today);
  }

  private static InvoiceCsv read(String text, LocalDate today) throws IOException {
    String withoutMark = text.startsWith("\uFEFF") ? text.substring(1) : text;
    try (CSVParser rows = parser(withoutMark)) {
      InvoiceCsv csv = new InvoiceCsv(rows, today);
      csv.readAll();
      return csv;
    }
  }

  private static CSVParser parser(String text) throws IOException {
    String expected = "the first line must name " + String.join(",", InvoiceRow.COLUMNS);
    try {
      CSVParser rows = CSVParser.parse(new StringReader(text), FORMAT);
      if (!rows.getHeaderNames().containsAll(InvoiceRow.COLUMNS)) {
        throw new IOException(expected);
      }
      return rows;
    } catch (IllegalArgumentException e) {
      throw new IOException(expected + ", each column once", e);
    }
  }

  List<Invoice> invoices() {
    return invoices;
  }

  List<String> problems() {
    return List.copyOf(problems.values());
  }

  private void readAll() {
    Iterator<CSVRecord> all = rows.iterator();
    boolean broken = false;
    long line = 0;
    while (true) {
      // The parser goes on behind what it cannot read; the rest of such a row is none itself.
      line = broken ? line : rows.getCurrentLineNumber() + 1;
      try {
        if (!all.hasNext()) {
          return;
        }
        CSVRecord row = all.next();
        if (!broken) {
          add(row, line);
        }
        broken = false;
      } catch (UncheckedIOException e) {
        reject(line, "a quote is never closed, or text follows a closed one");
        broken = true;
      }
    }
  }

  private void add(CSVRecord row, long line) {
    boolean emptyLine = row.size() == 1 && row.get(0).isEmpty();
    if (emptyLine) {
      return;
    }
    try {
      Invoice invoice = check.invoice(row);
      checkUnique(invoice, line);
      invoices.add(invoice);
    } catch (IllegalArgumentException e) {
      reject(line, e.getMessage());
    }
  }

  /** Records a problem with all lines of its row: a quote left open swallows the rows below. */
  private void reject(long first, String reason) {
    long last = rows.getCurrentLineNumber();
    String lines = last > first ? "lines " + first + " to " + last : "line " + first;
    problems.put(first, lines + ": " + reason);
  }

  /** Two drafts must not share a file, not even where file names have no case. */
  private void checkUnique(Invoice invoice, long line) {
    Long first = fileNames.putIfAbsent(invoice.fileName().toLowerCase(Locale.ROOT), line);
    if (first != null) {
      throw new IllegalArgumentException(
          "invoice " + invoice.number() + " has the file name of line " + first);
    }
  }
}
