// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.circuit;

import java.time.Duration;
import java.util.Optional;

/** Decides when an endpoint that is down is asked again. */
@FunctionalInterface
public interface BackoffPolicy {
  /**
   * How long to leave it alone.
   *
   * @param effect what takes it down
   * @param inARow how many times it has gone down without having been up between, at least 1
   * @param asked the pause that the server asked for
   */
  Duration backoff(HealthEffect effect, int inARow, Optional<Duration> asked);

  /**
   * How long to leave it alone after a failure that it told at once, and that may pass as soon.
   *
   * @param inARow how many times it has gone down without having been up between, at least 1
   */
  default Duration shortBackoff(int inARow) {
    return backoff(HealthEffect.COUNT_FAILURE, inARow, Optional.empty());
  }
}
