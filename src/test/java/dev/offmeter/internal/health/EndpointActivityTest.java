// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.health;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.internal.http.AttemptTimeouts;
import java.time.Duration;
import org.junit.jupiter.api.Test;

/** Pieces show that an endpoint is alive, and silence may show that it is not. */
class EndpointActivityTest {
  private static final long START = Long.MAX_VALUE - SECONDS.toNanos(20);

  private final EndpointActivity activity =
      new EndpointActivity(
          new AttemptTimeouts(
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
    activity.onDelta(at(9));

    assertThat(activity.isServingOthers(at(10), at(9))).isFalse();
  }

  @Test
  void aYoungPieceOfAnotherCallIsOne() {
    activity.onDelta(at(9));

    assertThat(activity.isServingOthers(at(10), at(0))).isTrue();
  }

  @Test
  void aPieceOlderThanHalfTheStallLimitIsNone() {
    activity.onDelta(at(5));

    assertThat(activity.isServingOthers(at(10), at(0))).isFalse();
  }

  @Test
  void nobodyIsServedBeforeTheFirstPiece() {
    assertThat(activity.isServingOthers(at(1), at(0))).isFalse();
  }

  @Test
  void waitsAddUpToTwoAttemptsLimits() {
    assertThat(activity.addFruitlessWait(at(0), at(29), 2)).isFalse();
    assertThat(activity.addFruitlessWait(at(40), at(41), 2)).isTrue();
    assertThat(activity.addFruitlessWait(at(50), at(50), 2)).as("until an answer comes").isTrue();
  }

  @Test
  void waitsAtTheSameTimeCountOnce() {
    assertThat(activity.addFruitlessWait(at(0), at(20), 2)).isFalse();
    assertThat(activity.addFruitlessWait(at(1), at(21), 2)).isFalse();
    assertThat(activity.addFruitlessWait(at(2), at(19), 2)).isFalse();
    assertThat(activity.addFruitlessWait(at(3), at(22), 2)).isFalse();
  }

  @Test
  void aPieceIsNoAnswer() {
    assertThat(activity.addFruitlessWait(at(0), at(29), 2)).isFalse();
    activity.onDelta(at(30));

    assertThat(activity.addFruitlessWait(at(29), at(31), 2)).isTrue();
  }

  @Test
  void oneAnswerEndsIt() {
    assertThat(activity.addFruitlessWait(at(0), at(29), 2)).isFalse();
    activity.onAnswer(at(30));

    assertThat(activity.addFruitlessWait(at(29), at(58), 2)).isFalse();
  }
}
