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
              Duration.ofSeconds(10),
              Duration.ofMinutes(10),
              null),
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
  void waitsAddUpToTwoAttemptsLimits() {
    assertThat(activity.waitedInVain(at(0), at(29), 2)).isFalse();
    assertThat(activity.waitedInVain(at(40), at(41), 2)).isTrue();
    assertThat(activity.waitedInVain(at(50), at(50), 2)).as("until an answer comes").isTrue();
  }

  @Test
  void waitsAtTheSameTimeCountOnce() {
    assertThat(activity.waitedInVain(at(0), at(20), 2)).isFalse();
    assertThat(activity.waitedInVain(at(1), at(21), 2)).isFalse();
    assertThat(activity.waitedInVain(at(2), at(19), 2)).isFalse();
    assertThat(activity.waitedInVain(at(3), at(22), 2)).isFalse();
  }

  @Test
  void aPieceIsNoAnswer() {
    assertThat(activity.waitedInVain(at(0), at(29), 2)).isFalse();
    activity.piece(at(30));

    assertThat(activity.waitedInVain(at(29), at(31), 2)).isTrue();
  }

  @Test
  void oneAnswerEndsIt() {
    assertThat(activity.waitedInVain(at(0), at(29), 2)).isFalse();
    activity.answered(at(30));

    assertThat(activity.waitedInVain(at(29), at(58), 2)).isFalse();
  }
}
