// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.circuit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Three requests within any minute. */
class RequestRateLimiterTest {
  /** A start at which the machine's clock overflows within the minute. */
  private static final long OVERFLOWING = Long.MAX_VALUE - 30_000_000_000L;

  private final RequestRateLimiter limiter = new RequestRateLimiter(3);

  private static long at(long start, long seconds) {
    return start + Duration.ofSeconds(seconds).toNanos();
  }

  private void takeAll(long start) throws AttemptException {
    limiter.take(at(start, 0));
    limiter.take(at(start, 10));
    limiter.take(at(start, 20));
  }

  private void assertRefused(long now) {
    assertThatThrownBy(() -> limiter.take(now))
        .isInstanceOfSatisfying(
            AttemptException.class,
            e -> assertThat(e.kind()).isEqualTo(FailureKind.CLIENT_RATE_LIMITED))
        .hasMessage("all 3 requests of the last minute are used up");
  }

  @ParameterizedTest
  @ValueSource(longs = {0, -1, OVERFLOWING})
  void theFourthOfAMinuteIsRefusedUntilTheFirstIsAMinuteOld(long start) throws Exception {
    takeAll(start);

    assertRefused(at(start, 20));
    assertRefused(at(start, 60) - 1);
    limiter.take(at(start, 60));
    assertRefused(at(start, 69));
    limiter.take(at(start, 70));
  }

  @ParameterizedTest
  @ValueSource(longs = {0, -1, OVERFLOWING})
  void saysHowLongUntilTheNext(long start) throws Exception {
    assertThat(limiter.timeUntilFree(at(start, 0))).isZero();
    takeAll(start);

    assertThat(limiter.timeUntilFree(at(start, 25))).hasSeconds(35);
    assertThat(limiter.timeUntilFree(at(start, 60))).isZero();
    assertThat(limiter.timeUntilFree(at(start, 500))).isZero();
  }

  @Test
  void aRefusedRequestTakesNothing() throws Exception {
    takeAll(0);
    for (int i = 0; i < 5; i++) {
      assertRefused(at(0, 30));
    }

    assertThat(limiter.timeUntilFree(at(0, 30))).hasSeconds(30);
  }

  @Test
  void withoutALimitNothingIsRefused() throws Exception {
    RequestRateLimiter unlimited = new RequestRateLimiter(Integer.MAX_VALUE);
    for (int i = 0; i < 1000; i++) {
      unlimited.take(0);
    }

    assertThat(unlimited.timeUntilFree(0)).isZero();
  }
}
