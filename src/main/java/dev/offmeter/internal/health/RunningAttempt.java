// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.health;

import dev.offmeter.internal.AttemptException;

/**
 * An attempt under way, as health monitoring sees it. Called from any thread; no method may block.
 */
public interface RunningAttempt {
  /** Returns when the attempt began, in nanoseconds of the client's clock. */
  long startedAt();

  /** Returns whether the attempt began before {@code then}. */
  default boolean isOlderThan(long then) {
    return startedAt() - then < 0;
  }

  /** Returns whether the attempt has no first piece and began before {@code then}. */
  boolean isWaitingLongerThan(long then);

  /**
   * Returns whether the attempt can still get an answer in time.
   *
   * @param load nanoseconds until the model is loaded
   * @param answer how long an answer takes then, in nanoseconds
   */
  boolean canOutlast(long load, long answer);

  /** Returns whether the attempt has been silent for long, over a new connection. */
  boolean isSilentOnNewConnection();

  /**
   * Called when a health check over a new connection was answered; the attempt may have been silent
   * for long on a pooled one.
   */
  void onServerHealthy();

  /** Ends the attempt if no piece of its answer has come, so that its call moves on. */
  void failIfSilent(AttemptException failure);

  /**
   * Called when a health check has found the endpoint dead; ends the attempt, unless its answer is
   * still coming.
   *
   * @param ifWaiting the failure of an attempt that waits for its first piece
   * @param ifAnswering the failure of an attempt in the middle of its answer
   * @param certain whether something refused the health check; else it was silent, and may only
   *     have been lost
   */
  void onUnreachable(AttemptException ifWaiting, AttemptException ifAnswering, boolean certain);
}
