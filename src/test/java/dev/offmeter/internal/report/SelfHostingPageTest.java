// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.report;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.internal.report.MeteredEndpoint.Kind;
import dev.offmeter.meter.MeterSnapshot;
import dev.offmeter.meter.MeterTotals;
import dev.offmeter.meter.Upkeep;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** The figures of {@code docs/self-hosting.md} are those of a report. */
class SelfHostingPageTest {
  private static final Duration MONTH = Duration.ofHours(Upkeep.HOURS_PER_MONTH);

  /** Returns the report of a month with so many times the page's tokens. */
  private static String report(double times) {
    Upkeep upkeep =
        Upkeep.builder()
            .currency("USD")
            .price(700)
            .months(36)
            .watts(20)
            .kwh(0.30)
            .hours(1)
            .rate(50)
            .build();
    long in = (long) (20_000_000 * times);
    long out = (long) (4_000_000 * times);
    MeterTotals totals = Samples.own(1, 0, in, out, (int) (out / 15), String.valueOf(16 * times));
    MeterSnapshot snapshot =
        new MeterSnapshot(
            Samples.SINCE,
            totals,
            Map.of("mac-mini", totals),
            Map.of(),
            Map.of(),
            Map.of(),
            Map.of(),
            Map.of(),
            Map.of());
    MeteredEndpoint node = new MeteredEndpoint("mac-mini", Kind.OWN, Optional.of(upkeep));
    return new CostReport(
            snapshot, Samples.SINCE.plus(MONTH), ZoneOffset.UTC, List.of(node), List.of())
        .text();
  }

  @Test
  void thePageShowsWhatTheReportSays() throws IOException {
    String text = report(1);
    int begin = text.indexOf("Break-even of mac-mini");
    String shown = text.substring(begin, text.indexOf("\n\n", begin) + 1);

    assertThat(Files.readString(Path.of("docs/self-hosting.md")))
        .contains("```\n" + shown + "```\n");
  }

  @Test
  void withSevenAndAHalfTimesTheTokensTheMachineIsCheaper() throws IOException {
    assertThat(report(7.5).replace('\n', ' ')).contains("the node is cheaper, by 46.18 USD");
    assertThat(Files.readString(Path.of("docs/self-hosting.md")).replace('\n', ' '))
        .contains("seven and a half times as many tokens the machine is cheaper, by 46.18.");
  }
}
