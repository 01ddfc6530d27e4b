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
    activity.onPiece(at(9));

    assertThat(activity.isServingOthers(at(10), at(9))).isFalse();
  }

  @Test
  void aYoungPieceOfAnotherCallIsOne() {
    activity.onPiece(at(9));

    assertThat(activity.isServingOthers(at(10), at(0))).isTrue();
  }

  @Test
  void aPieceOlderThanHalfTheStallLimitIsNone() {
    activity.onPiece(at(5));

    assertThat(activity.isServingOthers(at(10), at(0))).isFalse();
  }

  @Test
  void nobodyIsServedBeforeTheFirstPiece() {
    assertThat(activity.isServingOthers(at(1), at(0))).isFalse();
  }

  private boolean isFruitlessWith(long from, long to) {
    activity.recordFruitlessWait(at(from), at(to));
    return activity.hasFruitlessWaitsOf(2);
  }

  @Test
  void waitsAddUpToTwoAttemptsLimits() {
    assertThat(isFruitlessWith(0, 29)).isFalse();
    assertThat(isFruitlessWith(40, 41)).isTrue();
    assertThat(isFruitlessWith(50, 50)).as("until an answer comes").isTrue();
  }

  @Test
  void waitsAtTheSameTimeCountOnce() {
    assertThat(isFruitlessWith(0, 20)).isFalse();
    assertThat(isFruitlessWith(1, 21)).isFalse();
    assertThat(isFruitlessWith(2, 19)).isFalse();
    assertThat(isFruitlessWith(3, 22)).isFalse();
  }

  @Test
  void aPieceIsNoAnswer() {
    assertThat(isFruitlessWith(0, 29)).isFalse();
    activity.onPiece(at(30));

    assertThat(isFruitlessWith(29, 31)).isTrue();
  }

  @Test
  void oneAnswerEndsIt() {
    assertThat(isFruitlessWith(0, 29)).isFalse();
    activity.onAnswer(at(30));

    assertThat(isFruitlessWith(29, 58)).isFalse();
  }
}
