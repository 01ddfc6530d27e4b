// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import dev.offmeter.internal.AttemptException;
import io.github.resilience4j.core.IntervalFunction;
import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.Optional;

/** Decides whether and when the same endpoint is asked again. */
final class RetryPolicy {
  /** 0.5 s, doubled each time up to 8 s, with half of it as jitter either way. */
  private static final IntervalFunction INTERVALS =
      IntervalFunction.ofExponentialRandomBackoff(
          Duration.ofMillis(500), 2.0, 0.5, Duration.ofSeconds(8));

  /** The longest back-off that a server may ask for where the caller has set no deadline. */
  private static final Duration MAX_SERVER_BACKOFF = Duration.ofSeconds(10);

  private RetryPolicy() {}

  /** Returns how long so many retries may wait in all. */
  static Duration maxTotalBackoff(int retries) {
    return MAX_SERVER_BACKOFF.multipliedBy(retries);
  }

  /**
   * Returns the back-off before the same endpoint is asked again.
   *
   * @param retry which retry it would be, from 1
   * @param share nanoseconds that the endpoint still has for it
   * @return empty when the next endpoint is to be asked instead
   */
  static Optional<Duration> backoff(
      GuardedEndpoint endpoint, AttemptException failure, int retry, long share) {
    boolean allowed =
        !failure.isDefinite()
            && FailurePolicy.of(failure.kind()).action()
                == FailurePolicy.CallAction.RETRY_OR_NEXT_ENDPOINT
            && retry <= endpoint.config().retries();
    if (!allowed) {
      return Optional.empty();
    }
    Duration own = Duration.ofMillis(INTERVALS.apply(retry));
    Duration byServer = failure.retryAfter().orElse(Duration.ZERO);
    Duration backoff = longest(own, byServer, coolDown(endpoint));
    return backoff.toNanos() < share ? Optional.of(backoff) : Optional.empty();
  }

  /** Returns what is left of the cool-down, and a millisecond: at its very end none is admitted. */
  private static Duration coolDown(GuardedEndpoint endpoint) {
    return endpoint.isCircuitOpen() ? endpoint.remainingBackoff().plusMillis(1) : Duration.ZERO;
  }

  private static Duration longest(Duration... durations) {
    return Collections.max(List.of(durations));
  }
}
