// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.random;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.testing.RunReport;
import dev.offmeter.testing.Seeds;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Calls of every kind to servers that end them in every way. */
@Timeout(240)
class RandomCallsTest {
  private static final int CALLERS = 16;
  private static final int CALLS = 30;

  /** Returns the runs; on a JDK with virtual threads, those make calls too. */
  static Stream<Arguments> runs() {
    Stream<Arguments> platform = of(RandomRun.Callers.PLATFORM, Seeds.orElse(1, 2, 3, 7, 8, 9));
    return RandomRun.Callers.VIRTUAL.areHad()
        ? Stream.concat(platform, of(RandomRun.Callers.VIRTUAL, Seeds.orElse(2, 4, 7)))
        : platform;
  }

  private static Stream<Arguments> of(RandomRun.Callers callers, LongStream seeds) {
    return seeds.mapToObj(seed -> Arguments.of(callers, seed));
  }

  @ParameterizedTest
  @MethodSource("runs")
  void everyCallIsAnsweredOrToldWhyNot(RandomRun.Callers callers, long seed) throws Exception {
    RunReport report = new RunReport();
    RunSettings settings = RunSettings.of(seed, CALLERS, CALLS);
    new RandomRun(seed, settings, callers, report).run();
    assertThat(report.isClean())
        .as("seed %d, %s, %s%n%s", seed, settings, Seeds.replayHint(seed), report)
        .isTrue();
  }
}
