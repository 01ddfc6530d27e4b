// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import static org.assertj.core.api.Assertions.assertThat;

import dev.offmeter.Endpoint;
import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.testing.ManualTime;
import java.time.Duration;
import java.util.EnumSet;
import java.util.LongSummaryStatistics;
import java.util.Optional;
import java.util.Set;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** The policy decides whether the same endpoint is asked again, and after how long. */
class RetryPolicyTest {
  private static final Set<FailureKind> RETRIED =
      EnumSet.of(
          FailureKind.ORIGIN_UNREACHABLE,
          FailureKind.SERVER_ERROR,
          FailureKind.CONNECTION_LOST,
          FailureKind.TRUNCATED,
          FailureKind.STREAM_ERROR,
          FailureKind.MISSING_END_MARKER,
          FailureKind.UNEXPECTED_RESPONSE,
          FailureKind.EMPTY_ANSWER,
          FailureKind.RATE_LIMITED,
          FailureKind.SERVER_BUSY);

  private static final AttemptException FAILURE =
      AttemptException.of(FailureKind.SERVER_ERROR, "an error of the server's");

  /** Half a second and its jitter. */
  private static final Duration LONGEST_FIRST = Duration.ofMillis(750);

  private final ManualTime time = new ManualTime();

  private GuardedEndpoint endpoint(int retries) {
    return GuardedEndpoints.of(
        time, Endpoint.ollama("home", "http://127.0.0.1:1").model("m").retries(retries).build());
  }

  private static Optional<Duration> backoff(
      GuardedEndpoint endpoint, AttemptException failure, int retry) {
    return RetryPolicy.backoff(endpoint, failure, retry, Duration.ofMinutes(10).toNanos());
  }

  private static AttemptException asking(Duration wait) {
    return FAILURE.withRetryAfter(wait);
  }

  @ParameterizedTest
  @EnumSource
  void onlyAFailureThatMayBeTemporaryIsRetried(FailureKind kind) {
    AttemptException failure = AttemptException.of(kind, "some failure");

    assertThat(backoff(endpoint(1), failure, 1).isPresent()).isEqualTo(RETRIED.contains(kind));
  }

  @Test
  void aFailureThatTheServerCallsDefiniteIsNotRetried() {
    assertThat(backoff(endpoint(1), FAILURE.asDefinite(), 1)).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({"0, 1, false", "1, 1, true", "1, 2, false", "10, 10, true", "10, 11, false"})
  void thereAreNoMoreRetriesThanTheEndpointAllows(int retries, int retry, boolean retried) {
    assertThat(backoff(endpoint(retries), FAILURE, retry).isPresent()).isEqualTo(retried);
  }

  /** Half of the back-off is jitter, either way, but never beyond the longest of 8 s. */
  @ParameterizedTest
  @CsvSource({
    "1, 250, 750",
    "2, 500, 1500",
    "3, 1000, 3000",
    "4, 2000, 6000",
    "5, 4000, 8000",
    "6, 8000, 8000",
    "10, 8000, 8000"
  })
  void theBackOffDoublesFromHalfASecondToEight(int retry, long least, long most) {
    GuardedEndpoint endpoint = endpoint(10);

    LongSummaryStatistics millis =
        LongStream.range(0, 1000)
            .map(i -> backoff(endpoint, FAILURE, retry).orElseThrow().toMillis())
            .summaryStatistics();

    long nearly = (most - least) / 20;
    assertThat(millis.getMin()).isBetween(least, least + nearly);
    assertThat(millis.getMax()).isBetween(most - nearly, most);
  }

  @Test
  void aLongerWaitThatTheServerAsksForIsKept() {
    assertThat(backoff(endpoint(1), asking(seconds(40)), 1)).hasValue(seconds(40));
  }

  @Test
  void aShorterWaitThatTheServerAsksForShortensNothing() {
    assertThat(backoff(endpoint(10), asking(Duration.ofMillis(1)), 6)).hasValue(seconds(8));
  }

  @Test
  void anEndpointInBackOffIsAskedAgainWhenThatIsOver() throws AttemptException {
    GuardedEndpoint endpoint = endpoint(1);
    endpoint
        .acquire()
        .permit()
        .onFailure(AttemptException.of(FailureKind.RATE_LIMITED, "slow down"), 1);
    time.advance(seconds(5));

    Duration rest = backoff(endpoint, FAILURE, 1).orElseThrow();
    assertThat(rest).isEqualTo(Duration.ofMillis(10_001));
    assertThat(backoff(endpoint, asking(seconds(40)), 1)).hasValue(seconds(40));
    time.advance(rest);
    assertThat(endpoint.acquire().permit().isTrial()).isTrue();
  }

  @Test
  void anEndpointWhoseBackOffAnAnswerHasEndedIsAskedAgainSoon() throws AttemptException {
    GuardedEndpoint endpoint = endpoint(1);
    Admission before = endpoint.acquire();
    endpoint
        .acquire()
        .permit()
        .onFailure(AttemptException.of(FailureKind.TUNNEL_DOWN, "nobody there"), 1);
    before.permit().onSuccess(1);
    assertThat(endpoint.remainingBackoff()).isEqualTo(seconds(15));

    assertThat(backoff(endpoint, FAILURE, 1).orElseThrow()).isLessThanOrEqualTo(LONGEST_FIRST);
  }

  @Test
  void aBackOffThatWouldTakeAllOfTheTimeIsNotBegun() {
    AttemptException asking = asking(seconds(3));
    long share = seconds(3).toNanos();

    assertThat(RetryPolicy.backoff(endpoint(1), asking, 1, share)).isEmpty();
    assertThat(RetryPolicy.backoff(endpoint(1), asking, 1, share + 1)).hasValue(seconds(3));
  }

  @Test
  void withoutTimeLeftThereIsNoRetry() {
    assertThat(RetryPolicy.backoff(endpoint(1), FAILURE, 1, 0)).isEmpty();
    assertThat(RetryPolicy.backoff(endpoint(1), FAILURE, 1, -1)).isEmpty();
  }

  @Test
  void tenSecondsAreAllowedForEachRetry() {
    assertThat(RetryPolicy.maxTotalBackoff(0)).isZero();
    assertThat(RetryPolicy.maxTotalBackoff(3)).isEqualTo(seconds(30));
  }

  private static Duration seconds(long seconds) {
    return Duration.ofSeconds(seconds);
  }
}
