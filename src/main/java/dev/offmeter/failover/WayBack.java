// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import java.time.Duration;
import java.util.Optional;

/** Decides when an endpoint that is down is asked again. */
@FunctionalInterface
interface WayBack {
  /**
   * How long to leave it alone.
   *
   * @param why what takes it down
   * @param inARow how many times it has gone down without having been up between, at least 1
   * @param asked the pause that the server asked for
   */
  Duration pause(Judgement.Health why, int inARow, Optional<Duration> asked);

  /**
   * How long to leave it alone after a failure that it told at once, and that may pass as soon.
   *
   * @param inARow how many times it has gone down without having been up between, at least 1
   */
  default Duration soon(int inARow) {
    return pause(Judgement.Health.COUNTS, inARow, Optional.empty());
  }
}
