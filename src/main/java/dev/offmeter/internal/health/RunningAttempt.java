// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.health;

import dev.offmeter.internal.AttemptException;

/**
 * An attempt under way, as the health of its endpoint sees it. Asked and told from any thread; none
 * of its methods may block.
 */
public interface RunningAttempt {
  /** Nanoseconds of the client's clock at which it was made. */
  long startedAt();

  /** Whether it was made before {@code then}. */
  default boolean isOlderThan(long then) {
    return startedAt() - then < 0;
  }

  /** Whether it has no first piece, and was made before {@code then}. */
  boolean isWaitingLongerThan(long then);

  /**
   * Whether it may yet have an answer.
   *
   * @param load nanoseconds until the model is loaded
   * @param answer how long an answer takes then, in nanoseconds
   */
  boolean canOutlast(long load, long answer);

  /** Whether it has been silent for long, and over a new connection. */
  boolean isSilentOnNewConnection();

  /**
   * Called when a health check over a new connection was answered, while this attempt may have been
   * silent for long on a kept one.
   */
  void onServerHealthy();

  /** Ends it, if no piece of its answer has come: the endpoint is not to be waited for. */
  void failOver(AttemptException failure);

  /**
   * Ends it, because the endpoint is dead.
   *
   * @param waited how it ends where no piece has come
   * @param begun how it ends where one has
   * @param certain whether somebody said so, where a health check may have been lost
   */
  void onUnreachable(AttemptException waited, AttemptException begun, boolean certain);
}
