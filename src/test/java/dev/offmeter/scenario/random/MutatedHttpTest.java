// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.random;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.testing.RunReport;
import dev.offmeter.testing.Seeds;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** HTTP that is wrong costs an answer at most, and is nobody else's. */
@Timeout(180)
class MutatedHttpTest {
  static LongStream seeds() {
    return Seeds.orElse(1, 2);
  }

  @ParameterizedTest
  @MethodSource("seeds")
  void eachCallerHasTheRightTextOrTheFallbacks(long seed) throws Exception {
    RunReport report = new RunReport();
    new MutatedHttp(seed, report).run(80);
    assertThat(report.isClean())
        .as("seed %d, %s%n%s", seed, Seeds.replayHint(seed), report)
        .isTrue();
  }
}
