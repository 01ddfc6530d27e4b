// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.circuit;

import java.time.Duration;
import java.util.Optional;

/** Decides when an endpoint that is DOWN is tried again. */
@FunctionalInterface
public interface BackoffPolicy {
  /**
   * Returns the length of a back-off.
   *
   * @param effect how the failure counts against the endpoint
   * @param inARow how many times the endpoint has gone DOWN since it was last UP, at least 1
   * @param asked the wait that the server asked for
   */
  Duration backoff(HealthEffect effect, int inARow, Optional<Duration> asked);

  /**
   * Returns the length of a back-off after a failure that the server reported at once and that may
   * pass as quickly, such as 503 from a router.
   *
   * @param inARow how many times the endpoint has gone DOWN since it was last UP, at least 1
   */
  default Duration shortBackoff(int inARow) {
    return backoff(HealthEffect.COUNT_FAILURE, inARow, Optional.empty());
  }
}
