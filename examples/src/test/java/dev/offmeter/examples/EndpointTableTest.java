// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.FailureKind;
import dev.offmeter.observe.ClientStatus;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.observe.EndpointStatus;
import dev.offmeter.observe.EndpointStatus.Latency;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import org.junit.jupiter.api.Test;

final class EndpointTableTest {
  private static final Latency NONE =
      new Latency(0, Duration.ZERO, Duration.ZERO, Duration.ZERO, Duration.ZERO);
  private static final Latency SLOW =
      new Latency(
          100,
          Duration.ofMillis(420),
          Duration.ofMillis(99_900),
          Duration.ofMillis(2_110),
          Duration.ofMillis(119_600));

  @Test
  void oneLookTellsWhatIsDownForHowLongAndWhy() {
    EndpointTable table =
        table(down("mac-mini", Duration.ofSeconds(252), 900), up("arm-node", SLOW), warming());

    assertThat(table.rows())
        .containsExactly(
            "endpoint  state       for    next  in flight  first p50/p95  total p50/p95",
            "mac-mini  DOWN      4 min  0.90 s          0              -              -",
            "  CONNECTION_REFUSED: Connection refused",
            "arm-node  UP         59 s       -          3    0.42/99.9 s     2.11/120 s",
            "cold      WARMING     3 h       -          1              -              -",
            "  MODEL_COLD: the model is being loaded");
  }

  @Test
  void anyTableFitsIntoTheTerminal() {
    String name = "an-endpoint-with-a-rather-long-name";
    EndpointTable table =
        table(up(name, SLOW), down(name, Duration.ofDays(999), 600_000), up("b", SLOW));

    assertThat(table.rows())
        .allSatisfy(row -> assertThat(row.length()).isLessThanOrEqualTo(Terminal.COLUMNS))
        .anySatisfy(row -> assertThat(row).startsWith("an-endpoint-  DOWN      999 d   600 s "));
  }

  @Test
  void timesAndCountsAreNoNewsButStatesAre() {
    List<String> up = table(up("a", NONE)).news();

    assertThat(table(up("a", SLOW)).news()).isEqualTo(up);
    assertThat(table(down("a", Duration.ofSeconds(1), 1)).news())
        .isNotEqualTo(up)
        .isEqualTo(table(down("a", Duration.ofSeconds(2), 2)).news());
  }

  @Test
  void tallyCountsByEndpointAndWhatWentWrong() {
    Tally tally = new Tally(12);
    assertThat(tally).hasToString("0 of 12");

    List.of("template", "mac-mini", "template").forEach(tally::drafted);
    assertThat(tally).hasToString("3 of 12: 1 by mac-mini, 2 by template");

    tally.failed();
    assertThat(tally).hasToString("4 of 12: 1 by mac-mini, 2 by template, 1 without a draft");
  }

  private static EndpointTable table(EndpointStatus... endpoints) {
    return new EndpointTable(new ClientStatus(List.of(endpoints)));
  }

  private static EndpointStatus up(String name, Latency latency) {
    Duration lasting = Duration.ofMillis(59_999);
    return new EndpointStatus(
        name,
        "",
        EndpointState.UP,
        latency.answers() > 0,
        Instant.EPOCH,
        lasting,
        Optional.empty(),
        "",
        Optional.empty(),
        3,
        latency,
        Set.of(),
        Set.of(),
        OptionalInt.empty(),
        Optional.empty());
  }

  private static EndpointStatus down(String name, Duration lasting, long nextMillis) {
    return new EndpointStatus(
        name,
        "",
        EndpointState.DOWN,
        true,
        Instant.EPOCH,
        lasting,
        Optional.of(FailureKind.CONNECTION_REFUSED),
        "Connection refused",
        Optional.of(Duration.ofMillis(nextMillis)),
        0,
        NONE,
        Set.of(),
        Set.of(),
        OptionalInt.empty(),
        Optional.empty());
  }

  private static EndpointStatus warming() {
    return new EndpointStatus(
        "cold",
        "",
        EndpointState.WARMING,
        true,
        Instant.EPOCH,
        Duration.ofHours(3),
        Optional.of(FailureKind.MODEL_COLD),
        "the model is being loaded",
        Optional.empty(),
        1,
        NONE,
        Set.of(),
        Set.of(),
        OptionalInt.empty(),
        Optional.empty());
  }
}
