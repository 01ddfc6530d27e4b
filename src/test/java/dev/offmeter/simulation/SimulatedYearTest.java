// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.simulation;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * A year of calls to a home node to which things happen. The only test of whole calls without
 * sockets: 73,000 calls are to take seconds. All else is the code that users run.
 */
class SimulatedYearTest {
  private static final String PLAIN = "timeout and fallback";
  private static final String TIMER = "the same with a timer breaker";
  private static final String OURS = "Offmeter";
  private static final String WARM = "Offmeter, `keepWarm`";

  private static final Map<String, Tally> DROPPED = new LinkedHashMap<>();
  private static final Map<String, Tally> KEPT = new LinkedHashMap<>();

  @BeforeAll
  static void simulate() throws InterruptedException {
    Duration five = Assumptions.KEEP_ALIVE;
    DROPPED.put(
        PLAIN, SimulatedYear.simulate(five, nodes -> new PlainFallbackStrategy(nodes, false)));
    DROPPED.put(
        TIMER, SimulatedYear.simulate(five, nodes -> new PlainFallbackStrategy(nodes, true)));
    DROPPED.put(
        OURS, SimulatedYear.simulate(five, nodes -> new OffmeterStrategy(nodes, false, five)));
    DROPPED.put(
        WARM, SimulatedYear.simulate(five, nodes -> new OffmeterStrategy(nodes, true, five)));
    Duration ever = Assumptions.FOR_EVER;
    KEPT.put(PLAIN, SimulatedYear.simulate(ever, nodes -> new PlainFallbackStrategy(nodes, false)));
    KEPT.put(TIMER, SimulatedYear.simulate(ever, nodes -> new PlainFallbackStrategy(nodes, true)));
    KEPT.put(OURS, SimulatedYear.simulate(ever, nodes -> new OffmeterStrategy(nodes, false, ever)));
  }

  @Test
  void theDocumentationPrintsTheSameTable() throws IOException {
    List<String> rows =
        Stream.concat(rows(DROPPED, "dropped when idle"), rows(KEPT, "kept")).toList();
    rows.forEach(System.out::println);

    assertThat(Files.readAllLines(Path.of("docs/benchmarks.md"))).containsSubsequence(rows);
  }

  private static Stream<String> rows(Map<String, Tally> year, String model) {
    return year.entrySet().stream()
        .map(way -> "| " + model + " | " + way.getKey() + " | " + way.getValue().cells() + " |");
  }

  @Test
  void losesNoMoreThanStrategiesThatLearnFromCallsAlone() {
    for (Map<String, Tally> year : List.of(DROPPED, KEPT)) {
      for (String other : List.of(PLAIN, TIMER)) {
        assertThat(year.get(OURS).lost()).isLessThan(year.get(other).lost() / 2);
        for (double share : List.of(0.5, 0.99, 0.999)) {
          assertThat(year.get(OURS).lost(share)).isLessThanOrEqualTo(year.get(other).lost(share));
        }
      }
    }
  }

  @Test
  void answersNoFewerCallsAndAsManyAtHome() {
    for (Map<String, Tally> year : List.of(DROPPED, KEPT)) {
      Tally timer = year.get(TIMER);
      assertThat(year.get(OURS).answered()).isGreaterThanOrEqualTo(timer.answered() - 0.01);
      assertThat(year.get(OURS).atHome()).isGreaterThan(timer.atHome() - 0.1);
    }
  }

  @Test
  void aColdModelCostsACallNoMoreThanAHealthCheck() {
    assertThat(DROPPED.get(OURS).lost(0.99)).isLessThan(0.5);
  }

  @Test
  void aModelThatIsKeptWarmIsAsGoodAsOneThatIsKept() {
    assertThat(DROPPED.get(WARM).atHome()).isGreaterThan(KEPT.get(OURS).atHome() - 0.2);
    assertThat(DROPPED.get(WARM).lost(0.999)).isLessThan(0.2);
  }

  /** Until 0.32, Ollama lists a model that it is still loading. */
  @Test
  void aListThatShowsLoadsCostsNoMore() throws InterruptedException {
    Duration five = Assumptions.KEEP_ALIVE;
    Tally listed =
        SimulatedYear.simulate(
            five,
            Duration.ZERO,
            Assumptions.HOME,
            nodes -> new OffmeterStrategy(nodes, false, five));

    assertThat(listed.lost()).isLessThan(DROPPED.get(OURS).lost() + 0.05);
    assertThat(listed.atHome()).isGreaterThan(DROPPED.get(OURS).atHome() - 0.1);
  }

  @Test
  void anotherModelThatPushesItOutTakesItFromFewCalls() throws InterruptedException {
    Duration ever = Assumptions.FOR_EVER;
    Tally plain = sharedYear(nodes -> new PlainFallbackStrategy(nodes, true));
    Tally ours = sharedYear(nodes -> new OffmeterStrategy(nodes, false, ever));

    assertThat(ours.lost()).isLessThan(plain.lost() / 10);
    assertThat(ours.atHome()).isGreaterThan(KEPT.get(OURS).atHome() - 2);
  }

  private static Tally sharedYear(Function<SimulatedYear.Nodes, SimulatedYear.CallStrategy> way)
      throws InterruptedException {
    return SimulatedYear.simulate(
        Assumptions.FOR_EVER, Assumptions.LISTED_AFTER, Assumptions.SHARED_HOME, way);
  }

  @Test
  void isTheSameEveryTime() throws InterruptedException {
    Duration ever = Assumptions.FOR_EVER;
    Tally again = SimulatedYear.simulate(ever, nodes -> new OffmeterStrategy(nodes, false, ever));

    assertThat(again.cells()).isEqualTo(KEPT.get(OURS).cells());
  }
}
