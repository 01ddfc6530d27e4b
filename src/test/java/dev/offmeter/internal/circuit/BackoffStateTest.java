// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.circuit;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.testing.ManualTime;
import java.time.Duration;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** The state knows when a back-off began and how long it lasts. */
class BackoffStateTest {
  private static final BackoffPolicy TEN_SECONDS_FOR_EACH =
      new BackoffPolicy() {
        @Override
        public Duration backoff(HealthEffect effect, int inARow, Optional<Duration> asked) {
          return asked.orElse(Duration.ofSeconds(10L * inARow));
        }

        @Override
        public Duration shortBackoff(int inARow) {
          return Duration.ofSeconds(inARow);
        }
      };

  /** The machine's own clock may overflow in the middle of a back-off. */
  private final ManualTime time = new ManualTime(Long.MAX_VALUE - 5_000_000_000L);

  private final BackoffState backoff = new BackoffState(time, TEN_SECONDS_FOR_EACH);

  private void fail() {
    backoff.start(HealthEffect.OPEN, Optional.empty());
  }

  private void pass(long seconds) {
    time.advance(Duration.ofSeconds(seconds));
  }

  private long nanosFromNow(long seconds) {
    return time.nanos() + Duration.ofSeconds(seconds).toNanos();
  }

  @Test
  void nothingIsLeftAloneBeforeItHasFailed() {
    assertThat(backoff.isActive()).isFalse();
    assertThat(backoff.remaining()).isZero();
    assertThat(backoff.isFirstOutage()).isTrue();
    assertThat(backoff.failedTrials()).isZero();
  }

  @Test
  void aBackOffLastsAsLongAsThePolicySays() {
    fail();
    assertThat(backoff.remaining()).hasSeconds(10);
    assertThat(backoff.effect()).isEqualTo(HealthEffect.OPEN);

    time.advance(Duration.ofMillis(9_999));
    assertThat(backoff.isActive()).isTrue();
    time.advance(Duration.ofMillis(1));

    assertThat(backoff.isActive()).isFalse();
    assertThat(backoff.remaining()).isZero();
  }

  @Test
  void eachOutageInARowIsCounted() {
    fail();
    pass(10);
    fail();

    assertThat(backoff.remaining()).hasSeconds(20);
    assertThat(backoff.isFirstOutage()).isFalse();
    assertThat(backoff.failedTrials()).isOne();
  }

  @Test
  void anAnswerBeginsTheCountAnew() {
    fail();
    fail();
    backoff.reset();
    fail();

    assertThat(backoff.remaining()).hasSeconds(10);
    assertThat(backoff.isFirstOutage()).isTrue();
  }

  @Test
  void whatMayBeOverSoonCountsAsAnOutageToo() {
    backoff.startShort(HealthEffect.OPEN);
    assertThat(backoff.remaining()).hasSeconds(1);
    backoff.startShort(HealthEffect.OPEN);

    assertThat(backoff.remaining()).hasSeconds(2);
    assertThat(backoff.failedTrials()).isOne();
  }

  @Test
  void aHoldOutlastsTheBackOff() {
    fail();
    backoff.extendHold(nanosFromNow(30));
    pass(20);

    assertThat(backoff.isActive()).isTrue();
    assertThat(backoff.isHeld()).isTrue();
    assertThat(backoff.remaining()).hasSeconds(10);
  }

  @Test
  void aHoldNeverShortensABackOff() {
    fail();
    backoff.extendHold(nanosFromNow(3));

    assertThat(backoff.remaining()).hasSeconds(10);
    assertThat(backoff.isHeld()).isFalse();
  }

  @Test
  void withoutItsHoldTheBackOffAloneCounts() {
    fail();
    backoff.extendHold(nanosFromNow(30));
    pass(4);
    backoff.clearHold();

    assertThat(backoff.remaining()).hasSeconds(6);
    assertThat(backoff.isHeld()).isFalse();
  }

  @Test
  void theFirstOutageMayEndEarly() {
    fail();

    assertThat(backoff.canEndEarly()).isTrue();
  }

  @Test
  void afterAFailedTrialTheBackOffIsServedInFull() {
    fail();
    fail();
    pass(19);
    assertThat(backoff.canEndEarly()).isFalse();

    pass(1);

    assertThat(backoff.canEndEarly()).isTrue();
  }

  @Test
  void whatTheServerAskedForIsServedInFull() {
    backoff.start(HealthEffect.COOL_DOWN, Optional.of(Duration.ofSeconds(40)));
    assertThat(backoff.isSetByServer()).isTrue();
    assertThat(backoff.canEndEarly()).isFalse();

    pass(40);

    assertThat(backoff.canEndEarly()).isTrue();
  }

  @Test
  void aWaitNamedByTheServerBindsOnlyWhenItIsBusy() {
    backoff.start(HealthEffect.OPEN, Optional.of(Duration.ofSeconds(40)));
    assertThat(backoff.isSetByServer()).isFalse();
    backoff.reset();
    backoff.start(HealthEffect.COOL_DOWN, Optional.empty());

    assertThat(backoff.isSetByServer()).isFalse();
    assertThat(backoff.canEndEarly()).isTrue();
  }

  @Test
  void anOperatorEndsEverything() {
    fail();
    backoff.start(HealthEffect.COOL_DOWN, Optional.of(Duration.ofSeconds(40)));
    backoff.extendHold(nanosFromNow(300));
    backoff.end();

    assertThat(backoff.isActive()).isFalse();
    assertThat(backoff.isHeld()).isFalse();
    assertThat(backoff.isSetByServer()).isFalse();
    assertThat(backoff.isFirstOutage()).isTrue();
  }

  @Test
  void aLoadHoldsForTwiceItsTimeoutAndThenGivesWayToTheCauseBefore() {
    backoff.start(HealthEffect.COOL_DOWN, Optional.of(Duration.ofSeconds(40)));
    backoff.startLoad();

    assertThat(backoff.effect()).isEqualTo(HealthEffect.LOAD_MODEL);
    assertThat(backoff.isSetByServer()).isFalse();
    assertThat(backoff.remaining())
        .isEqualTo(EndpointCircuitBreaker.MODEL_LOAD_TIMEOUT.multipliedBy(2));
    backoff.restore(HealthEffect.OPEN);
    backoff.clearHold();
    assertThat(backoff.effect()).isEqualTo(HealthEffect.OPEN);
    assertThat(backoff.remaining()).hasSeconds(40);
  }
}
