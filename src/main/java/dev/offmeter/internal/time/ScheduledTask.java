// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.time;

/**
 * A task of a {@link TimeSource}'s timer that names its purpose. A test that moves the time by hand
 * waits for what such a task starts on other threads.
 */
public interface ScheduledTask extends Runnable {
  /** The purpose of a task. */
  enum Purpose {
    /** Starts a health check. */
    HEALTH_CHECK,
    /** Ends a health check or a load that takes too long. */
    HEALTH_CHECK_LIMIT,
    /** Ends the wait of calls for a load that takes too long. */
    LOAD_LIMIT,
    /** Fails a call that no thread has picked up. */
    HANDOFF_LIMIT
  }

  /** Returns the purpose, which never changes. */
  Purpose purpose();
}
