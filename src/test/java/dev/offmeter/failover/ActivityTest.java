// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.endpoint.Limits;
import java.time.Duration;
import org.junit.jupiter.api.Test;

/** What pieces show of an endpoint's life, and silence of its death. */
class ActivityTest {
  private static final long START = Long.MAX_VALUE - SECONDS.toNanos(20);

  private final Activity activity =
      new Activity(
          new Limits(
              Duration.ofSeconds(15),
              Duration.ofSeconds(3),
              Duration.ofSeconds(15),
              Duration.ofSeconds(10)),
          START);

  private static long at(long seconds) {
    return START + SECONDS.toNanos(seconds);
  }

  @Test
  void aCallsOwnPiecesAreNoOtherCall() {
    activity.piece(at(9));

    assertThat(activity.servesOthers(at(10), at(9))).isFalse();
  }

  @Test
  void aYoungPieceOfAnotherCallIsOne() {
    activity.piece(at(9));

    assertThat(activity.servesOthers(at(10), at(0))).isTrue();
  }

  @Test
  void aPieceOlderThanHalfTheStallLimitIsNone() {
    activity.piece(at(5));

    assertThat(activity.servesOthers(at(10), at(0))).isFalse();
  }

  @Test
  void nobodyIsServedBeforeTheFirstPiece() {
    assertThat(activity.servesOthers(at(1), at(0))).isFalse();
  }

  @Test
  void waitsAddUpToAnAttemptsLimit() {
    assertThat(activity.isMute(at(0), at(14))).isFalse();
    assertThat(activity.isMute(at(20), at(21))).isTrue();
    assertThat(activity.isMute(at(30), at(30))).as("until a piece comes").isTrue();
  }

  @Test
  void waitsAtTheSameTimeCountOnce() {
    assertThat(activity.isMute(at(0), at(10))).isFalse();
    assertThat(activity.isMute(at(1), at(11))).isFalse();
    assertThat(activity.isMute(at(2), at(9))).isFalse();
  }

  @Test
  void onePieceEndsTheSilence() {
    assertThat(activity.isMute(at(0), at(14))).isFalse();
    activity.piece(at(15));

    assertThat(activity.isMute(at(14), at(28))).isFalse();
  }
}
