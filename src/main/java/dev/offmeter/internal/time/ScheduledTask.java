// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.time;

/**
 * A task of a {@link TimeSource}'s timer that says what it is for. Whoever moves the time by hand
 * waits for what follows from it on other threads.
 */
public interface ScheduledTask extends Runnable {
  /** What falls due. */
  enum Purpose {
    /** A health check begins. */
    HEALTH_CHECK,
    /** A health check, or a load, has taken too long. */
    HEALTH_CHECK_LIMIT,
    /** A load takes longer than the calls of its model may wait. */
    LOAD_LIMIT,
    /** A call has found no thread that begins it. */
    HANDOVER_LIMIT
  }

  /** Its purpose, which never changes. */
  Purpose purpose();
}
