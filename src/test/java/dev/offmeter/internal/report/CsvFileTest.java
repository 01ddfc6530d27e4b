// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.report;

import static dev.offmeter.internal.report.Samples.billed;
import static dev.offmeter.internal.report.Samples.report;
import static dev.offmeter.internal.report.Samples.snapshot;
import static dev.offmeter.internal.report.Samples.uncertain;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.meter.MeterTotals;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class CsvFileTest {
  private static final MeterTotals ONE = billed(1, 0, 10, 2, 3, "0.01", "0.02");

  /** Returns the lines of a file about a tag with one value. */
  private static List<String> ofTag(String value) {
    return List.of(report(snapshot(ONE, Map.of(), Map.of(value, ONE))).csv().split("\r\n", -1));
  }

  @Test
  void aLineIsAboutOneGroup() {
    assertThat(report(snapshot()).csv().split("\r\n"))
        .contains(
            "total,,,2000,10,4800000,960000,0,0,12000.000,3.25,3.25,0,0.05,24.00,20.75,,,,,USD",
            "endpoint,\"mac-mini\",,1620,20,4000000,800000,0,0,11400.000,0.00,0.00,0,0.00,20.00,"
                + "20.00,,,,,USD",
            "outcome,\"email-accepted\",\"feature=follow-up\",,,,,,,,,,,,,,100,0.022,,,USD",
            "node,\"mac-mini\",\"everything counted\",,,,,,,,,,,,,,,,70.996226,21199858,USD");
  }

  @Test
  void everyLineHasACellForEachColumn() {
    String csv = report(snapshot()).csv();

    assertThat(csv).endsWith("\r\n");
    assertThat(csv.split("\r\n"))
        .allSatisfy(
            line ->
                assertThat(line.replaceAll("\"([^\"]|\"\")*\"", "").chars().filter(c -> c == ','))
                    .hasSize(20));
  }

  @Test
  void whatIsUnknownIsNoNumber() {
    String csv = report(snapshot(uncertain(ONE, "0.00", 3), Map.of(), Map.of())).csv();

    assertThat(csv)
        .contains("total,,,1,0,10,2,0,0,3.000,unknown,0.01,3,0.00,0.02,unknown,,,,,USD\r\n");
  }

  @Test
  void aNameMayHoldCommasAndQuotes() {
    assertThat(ofTag("a,\"b\""))
        .anyMatch(line -> line.startsWith("tag,\"feature\",\"a,\"\"b\"\"\",1,"));
  }

  @Test
  void aNameIsNoFormula() {
    assertThat(ofTag("=1+1")).anyMatch(line -> line.startsWith("tag,\"feature\",\"'=1+1\",1,"));
    assertThat(ofTag("@x")).anyMatch(line -> line.startsWith("tag,\"feature\",\"'@x\",1,"));
    assertThat(ofTag("a=1")).anyMatch(line -> line.startsWith("tag,\"feature\",\"a=1\",1,"));
  }

  @Test
  void aNameOfSeveralLinesStaysOnOne() {
    assertThat(ofTag("a\r\nb"))
        .anyMatch(line -> line.startsWith("tag,\"feature\",\"a\uFFFD\uFFFDb\",1,"));
  }
}
