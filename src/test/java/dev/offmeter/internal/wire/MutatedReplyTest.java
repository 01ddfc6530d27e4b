// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.testing.RunReport;
import dev.offmeter.testing.Seeds;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** No change makes another answer of a reply, and none that says the same makes it a failure. */
@Timeout(120)
class MutatedReplyTest {
  private final RunReport report = new RunReport();

  static LongStream seeds() {
    return Seeds.orElse(1, 2);
  }

  @Test
  void cutAnywhereAReplyIsWholeOrNoAnswer() {
    new MutatedReplies(0, report).cutEverywhere();
    isClean(0);
  }

  @ParameterizedTest
  @MethodSource("seeds")
  void whatIsSaidOtherwiseIsTheSameAnswer(long seed) {
    new MutatedReplies(seed, report).sayTheSame(400);
    isClean(seed);
  }

  @ParameterizedTest
  @MethodSource("seeds")
  void aByteThatIsDamagedAnywhereMakesNoOtherAnswer(long seed) {
    new MutatedReplies(seed, report).damageEveryByte(1);
    isClean(seed);
  }

  @ParameterizedTest
  @MethodSource("seeds")
  void noDamageMakesOne(long seed) {
    new MutatedReplies(seed, report).damage(2000);
    isClean(seed);
  }

  private void isClean(long seed) {
    assertThat(report.isClean())
        .as("seed %d, %s%n%s", seed, Seeds.replayHint(seed), report)
        .isTrue();
  }
}
