// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import java.time.Duration;

/**
 * Time in which this process itself stood still: a laptop that slept, a long collection of garbage,
 * {@code SIGSTOP}, a virtual machine on the move. A clock that fires more than a second after it
 * was due shows it. What has come meanwhile is read first, and nobody is blamed. Used by the
 * timer's thread; read by any.
 */
final class OwnPause {
  /** No timer of a process that runs is so late. */
  private static final long LATE = Duration.ofSeconds(1).toNanos();

  /** Enough to read what has come, whatever else has run out meanwhile. */
  private static final long GRACE = Duration.ofSeconds(1).toNanos();

  /** How often a clock has to fire for a pause to be seen. */
  static final long BEAT = Duration.ofSeconds(1).toNanos();

  private volatile long due;
  private volatile long lost;
  private volatile long resumed;

  OwnPause(long now) {
    this.due = now;
    this.resumed = now;
  }

  /** Whether a clock that was due then fires so late that the process must have stood still. */
  static boolean isLate(long due, long now) {
    return now - due > LATE;
  }

  /** A clock will fire then. */
  void expect(long due) {
    this.due = due;
  }

  /**
   * Takes note of a pause, if the clock that is expected is late.
   *
   * @return whether it is
   */
  boolean note(long now) {
    return note(now, due);
  }

  /** The same of a clock that was due then. */
  synchronized boolean note(long now, long due) {
    // What was due before a pause that is known of is late because of that one.
    long from = resumed - due > 0 ? resumed : due;
    if (!isLate(from, now)) {
      return false;
    }
    lost += now - from;
    this.due = now;
    resumed = now;
    return true;
  }

  /** Whether there has been any. */
  boolean isNoted() {
    return lost > 0;
  }

  /** How long they were in all, in nanoseconds; a little more than that in truth. */
  long lost() {
    return lost;
  }

  /** When a clock runs out that was to run out then, with time to read what has come. */
  long reprieve(long ends) {
    long grace = resumed + GRACE;
    return isNoted() && grace - ends > 0 ? grace : ends;
  }

  /** Since when it is silent that was silent since then: nothing could be heard in a pause. */
  long silentSince(long then) {
    return isNoted() && resumed - then > 0 ? resumed : then;
  }
}
