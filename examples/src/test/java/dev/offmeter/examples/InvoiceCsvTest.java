// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class InvoiceCsvTest {
  private static final LocalDate TODAY = LocalDate.of(2026, 11, 21);
  private static final String HEADER =
      "invoice,customer,email,service,amount,currency,due,reminders";
  private static final String GOOD = "2,Ana,ana@example.com,Data import,10.00,EUR,2026-10-01,0";

  @TempDir private Path folder;

  @Test
  void everyRowOfTheShippedFileIsAnInvoice() {
    InvoiceCsv csv = InvoiceCsv.shipped(TODAY);

    assertThat(csv.problems()).isEmpty();
    assertThat(csv.invoices()).hasSize(12);
    assertThat(csv.invoices().get(0).customer()).isEqualTo("Zoë Müller");
  }

  @Test
  void amountsHaveTheDecimalsOfTheirCurrency() {
    assertThat(InvoiceCsv.shipped(TODAY).invoices())
        .extracting(Invoice::money)
        .contains("EUR 4,850.00", "CHF 1,975.35", "USD 2,650.00", "GBP 365.75", "JPY 385,000");
  }

  @Test
  void spreadsheetExportWithMarkQuotesAndWindowsLineEndsIsRead() throws IOException {
    String row = "1,\"Harper, Lane\",ap@example.com,\"Layout of \"\"Hill\"\"\",5,EUR,2026-10-01,0";
    InvoiceCsv csv = read("\uFEFF" + HEADER + "\r\n" + row + "\r\n\r\n");

    assertThat(csv.problems()).isEmpty();
    assertThat(csv.invoices())
        .singleElement()
        .satisfies(
            invoice -> {
              assertThat(invoice.customer()).isEqualTo("Harper, Lane");
              assertThat(invoice.service()).isEqualTo("Layout of \"Hill\"");
            });
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '~',
      textBlock =
          """
          1,Zoë,zoe@example.com,Layout,12.50,JPY,2026-10-01,0   | amount must be above 0 with at
          1,Zoë,zoe@example.com,Layout,"1,250",EUR,2026-10-01,0 | amount must be a number
          1,Zoë,zoe@example.com,Layout,0.00,EUR,2026-10-01,0    | amount must be above 0
          1,Zoë,zoe@example.com,Layout,5,EURO,2026-10-01,0      | currency must be an ISO 4217 code
          1,Zoë,zoe@example.com,Layout,5,XAU,2026-10-01,0       | currency must be an ISO 4217 code
          1,Zoë,zoe@example.com,Layout,5,EUR,1.10.2026,0        | due must be a date
          1,Zoë,zoe@example.com,Layout,5,EUR,2026-11-21,0       | due must be a day in the past
          1,Zoë,zoe@example.com,Layout,5,EUR,2026-10-01,-1      | reminders must be a whole number
          1,Zoë,zoe at example.com,Layout,5,EUR,2026-10-01,0    | email must be an address
          1,,zoe@example.com,Layout,5,EUR,2026-10-01,0          | customer must not be blank
          1,Zoë,zoe@example.com,Layout,5,EUR,2026-10-01         | the number of columns is 7
          1,"Zoë"!,zoe@example.com,Layout,5,EUR,2026-10-01,0    | text follows a closed one
          2,Zoë,zoe@example.com,Layout,5,EUR,2026-10-01,0       | has the file name of line 2
          """)
  void badRowIsReportedUnderItsLineAndTheOthersAreKept(String row, String reason)
      throws IOException {
    InvoiceCsv csv = read(String.join("\n", HEADER, GOOD, row, "", GOOD.replace("2,Ana", "3,Ana")));

    assertThat(csv.problems()).singleElement().asString().startsWith("line 3: ").contains(reason);
    assertThat(csv.invoices()).extracting(Invoice::number).containsExactly("2", "3");
  }

  @Test
  void lineBreakInNameIsRejectedBecauseItWouldStartANewHeader() throws IOException {
    String row = "1,\"Zoë\nBcc: x@example.com\",zoe@example.com,Layout,5,EUR,2026-10-01,0";
    InvoiceCsv csv = read(String.join("\n", HEADER, row, GOOD));

    assertThat(csv.problems()).containsExactly("lines 2 to 3: customer must be a single line");
    assertThat(csv.invoices()).extracting(Invoice::number).containsExactly("2");
  }

  @Test
  void quoteThatIsNeverClosedIsReportedWithAllTheLinesItSwallows() throws IOException {
    InvoiceCsv csv = read(String.join("\n", HEADER, GOOD, "3,\"Zoë,", GOOD, GOOD));

    assertThat(csv.problems()).singleElement().asString().startsWith("lines 3 to 5: a quote");
    assertThat(csv.invoices()).hasSize(1);
  }

  @Test
  void fileWithOtherColumnsIsRejected() {
    assertThatThrownBy(() -> read("invoice;customer\n1;Zoë\n"))
        .isInstanceOf(IOException.class)
        .hasMessage("the first line must name " + HEADER);
  }

  private InvoiceCsv read(String text) throws IOException {
    return InvoiceCsv.read(Files.writeString(folder.resolve("invoices.csv"), text), TODAY);
  }
}
