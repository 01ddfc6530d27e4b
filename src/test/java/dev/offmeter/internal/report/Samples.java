// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.report;

import dev.offmeter.internal.report.MeteredEndpoint.Kind;
import dev.offmeter.meter.Cost;
import dev.offmeter.meter.MeterSnapshot;
import dev.offmeter.meter.MeterTotals;
import dev.offmeter.meter.Upkeep;
import java.math.BigDecimal;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/** Counts as a meter would have taken them: a node and a managed reserve, for 20 days. */
final class Samples {
  static final String NODE = "mac-mini";
  static final String RESERVE = "reserve";
  static final Instant SINCE = Instant.parse("2026-11-01T00:00:00Z");
  static final int DAYS = 20;
  static final Upkeep UPKEEP =
      Upkeep.builder()
          .currency("USD")
          .price(700)
          .months(36)
          .watts(20)
          .idleWatts(7)
          .kwh(0.30)
          .hours(1)
          .rate(50)
          .build();

  /** A name that breaks out of what it stands in, if it is not escaped. */
  static final String HOSTILE = "</td><script>alert(\"1\")</script>&'\u0000\u001b[31m";

  private Samples() {}

  static Cost usd(String amount) {
    return Cost.of(new BigDecimal(amount), "USD", "endpoint");
  }

  /** Returns the totals of attempts or calls on own hardware. */
  static MeterTotals own(long calls, long failed, long in, long out, int seconds, String baseline) {
    return new MeterTotals(
        calls,
        failed,
        in,
        out,
        0,
        0,
        Duration.ofSeconds(seconds),
        Cost.NONE,
        0,
        Cost.NONE,
        usd(baseline));
  }

  /** Returns the totals of attempts or calls that were billed. */
  static MeterTotals billed(
      long calls, long failed, long in, long out, int seconds, String cost, String baseline) {
    return new MeterTotals(
        calls,
        failed,
        in,
        out,
        0,
        0,
        Duration.ofSeconds(seconds),
        usd(cost),
        0,
        Cost.NONE,
        usd(baseline));
  }

  /** Returns totals, some attempts of which were given up or have no price. */
  static MeterTotals uncertain(MeterTotals totals, String possiblyBilled, long unknown) {
    return new MeterTotals(
        totals.calls(),
        totals.failed(),
        totals.inputTokens(),
        totals.outputTokens(),
        totals.cachedInputTokens(),
        totals.thinkingTokens(),
        totals.computeTime(),
        totals.knownCost().plus(usd(possiblyBilled).asEstimated()),
        unknown,
        usd(possiblyBilled).asEstimated(),
        totals.baselineCost());
  }

  static List<MeteredEndpoint> endpoints() {
    return List.of(
        new MeteredEndpoint(NODE, Kind.OWN, Optional.of(UPKEEP)),
        new MeteredEndpoint(RESERVE, Kind.MANAGED, Optional.empty()),
        new MeteredEndpoint("template", Kind.FUNCTION, Optional.empty()));
  }

  /** Returns a snapshot with these totals of all calls, of each endpoint, and of a tag's values. */
  static MeterSnapshot snapshot(
      MeterTotals total, Map<String, MeterTotals> endpoints, Map<String, MeterTotals> features) {
    Map<LocalDate, MeterTotals> days = new TreeMap<>();
    Map<LocalDate, Map<String, MeterTotals>> daysByEndpoint = new TreeMap<>();
    for (int i = 0; i < DAYS; i++) {
      LocalDate day = LocalDate.of(2026, 11, 1).plusDays(i);
      String cost = "0." + (10 + i * 7 % 13);
      MeterTotals reserve = billed(20, i % 3, 40_000, 8_000, 30, cost, cost);
      days.put(day, billed(100, i % 2, 240_000, 48_000, 600, cost, "1.20"));
      daysByEndpoint.put(
          day, Map.of(NODE, own(80, 1, 200_000, 40_000, 570, "1.00"), RESERVE, reserve));
    }
    return new MeterSnapshot(
        SINCE,
        total,
        endpoints,
        Map.of(NODE + "/qwen3:8b", endpoints.getOrDefault(NODE, MeterTotals.NOTHING)),
        days,
        daysByEndpoint,
        Map.of("feature", features),
        Map.of("email-accepted", 400L),
        Map.of("feature", Map.of("follow-up", Map.of("email-accepted", 100L))));
  }

  static MeterSnapshot snapshot() {
    return snapshot(
        uncertain(billed(2000, 10, 4_800_000, 960_000, 12_000, "3.20", "24.00"), "0.05", 0),
        Map.of(
            NODE,
            own(1620, 20, 4_000_000, 800_000, 11_400, "20.00"),
            RESERVE,
            uncertain(billed(400, 10, 800_000, 160_000, 600, "3.20", "4.00"), "0.05", 0),
            "template",
            own(10, 0, 0, 0, 0, "0.00")),
        Map.of(
            "follow-up",
            billed(1500, 6, 3_000_000, 700_000, 9_000, "2.20", "18.00"),
            HOSTILE,
            billed(500, 4, 1_800_000, 260_000, 3_000, "1.05", "6.00")));
  }

  static CostReport report(MeterSnapshot snapshot) {
    return new CostReport(
        snapshot, SINCE.plus(Duration.ofDays(DAYS)), ZoneOffset.UTC, endpoints(), List.of());
  }
}
