// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.health;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.internal.http.AttemptTimeouts;
import java.time.Duration;
import org.junit.jupiter.api.Test;

/** The number of health checks that must go unanswered before a server is marked DOWN. */
class UnhealthyThresholdTest {
  private static final Duration ANY = Duration.ofSeconds(15);

  private final EndpointActivity activity =
      new EndpointActivity(new AttemptTimeouts(ANY, ANY, ANY, ANY, ANY, null), 0);
  private final UnhealthyThreshold unhealthyThreshold = new UnhealthyThreshold(activity);

  private boolean silentAt(long second) {
    return unhealthyThreshold.recordSilence(Duration.ofSeconds(second).toNanos());
  }

  private void wellAt(long second) {
    unhealthyThreshold.onHealthy(Duration.ofSeconds(second).toNanos());
  }

  @Test
  void oneIsEnoughUntilItHasBeenWrong() {
    assertThat(silentAt(10)).isTrue();
    wellAt(14);

    assertThat(silentAt(20)).isFalse();
    assertThat(silentAt(25)).isTrue();
  }

  @Test
  void aServerThatIsNeverDeadNeedsEverMoreOfThem() {
    for (int needed = 1; needed <= 10; needed++) {
      int first = needed * 100;
      for (int silent = 1; silent < needed; silent++) {
        assertThat(silentAt(first + silent)).isFalse();
      }
      assertThat(silentAt(first + needed)).isTrue();
      wellAt(first + needed + 5);
    }
  }

  @Test
  void aLongOutageMakesItOneAgain() {
    silentAt(10);
    wellAt(14);
    silentAt(20);
    silentAt(25);
    wellAt(100);

    assertThat(silentAt(200)).isTrue();
  }

  @Test
  void whatIsHeardBetweenCountsThemAnew() {
    silentAt(10);
    wellAt(14);
    assertThat(silentAt(20)).isFalse();
    activity.onPiece(Duration.ofSeconds(22).toNanos());

    assertThat(silentAt(30)).isFalse();
    assertThat(silentAt(35)).isTrue();
  }
}
