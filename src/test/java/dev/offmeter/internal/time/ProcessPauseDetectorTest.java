// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.time;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A process that stood still, seen by a clock that fires late. */
class ProcessPauseDetectorTest {
  private static long at(double seconds) {
    return Duration.ofMillis((long) (seconds * 1000)).toNanos();
  }

  private final ProcessPauseDetector pauses = new ProcessPauseDetector(0);

  @ParameterizedTest
  @ValueSource(doubles = {10, 10.5, 11})
  void aClockThatIsALittleLateShowsNothing(double now) {
    pauses.expect(at(10));

    assertThat(pauses.detect(at(now))).isFalse();
    assertThat(pauses.hasPaused()).isFalse();
    assertThat(pauses.lostNanos()).isZero();
  }

  @Test
  void aClockThatIsVeryLateShowsAPause() {
    pauses.expect(at(10));

    assertThat(pauses.detect(at(70))).isTrue();
    assertThat(pauses.hasPaused()).isTrue();
    assertThat(pauses.lostNanos()).isEqualTo(at(60));
  }

  @Test
  void onePauseCountsOnceHoweverManyClocksItHasMadeLate() {
    assertThat(pauses.detect(at(70), at(10))).isTrue();

    assertThat(pauses.detect(at(70), at(5))).isFalse();
    assertThat(pauses.detect(at(70.5), at(20))).isFalse();
    assertThat(pauses.lostNanos()).isEqualTo(at(60));
  }

  @Test
  void pausesAddUp() {
    boolean first = pauses.detect(at(70), at(10));
    boolean second = pauses.detect(at(130), at(100));

    assertThat(first && second).isTrue();
    assertThat(pauses.lostNanos()).isEqualTo(at(90));
  }

  @Test
  void clocksThatRunOutInAPauseLeaveASecondToReadWhatHasCome() {
    assertThat(pauses.extend(at(12))).as("no pause").isEqualTo(at(12));
    boolean seen = pauses.detect(at(70), at(10));

    assertThat(seen).isTrue();
    assertThat(pauses.extend(at(12))).isEqualTo(at(71));
    assertThat(pauses.extend(at(80))).isEqualTo(at(80));
  }

  @Test
  void nobodyIsSilentInAPause() {
    assertThat(pauses.silentSince(at(5))).as("no pause").isEqualTo(at(5));
    boolean seen = pauses.detect(at(70), at(10));

    assertThat(seen).isTrue();
    assertThat(pauses.silentSince(at(5))).isEqualTo(at(70));
    assertThat(pauses.silentSince(at(75))).isEqualTo(at(75));
  }
}
