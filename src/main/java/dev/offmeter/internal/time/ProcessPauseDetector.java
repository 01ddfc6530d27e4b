// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.time;

import java.time.Duration;

/**
 * Time in which this process itself stood still: a laptop that slept, a long collection of garbage,
 * {@code SIGSTOP}, a virtual machine on the move. A clock that fires more than a second after it
 * was due shows it. What has come meanwhile is read first, and nobody is blamed. Used by the
 * timer's thread; read by any.
 */
public final class ProcessPauseDetector {
  /** No timer of a process that runs is so late. */
  private static final long LATE_AFTER = Duration.ofSeconds(1).toNanos();

  /** Enough to read what has come, whatever else has run out meanwhile. */
  private static final long GRACE = Duration.ofSeconds(1).toNanos();

  /** How often a clock has to fire for a pause to be seen. */
  public static final long TICK = Duration.ofSeconds(1).toNanos();

  private volatile long dueAt;
  private volatile long lostNanos;
  private volatile long resumedAt;

  public ProcessPauseDetector(long now) {
    this.dueAt = now;
    this.resumedAt = now;
  }

  /** Whether a clock that was due then fires so late that the process must have stood still. */
  public static boolean isLate(long due, long now) {
    return now - due > LATE_AFTER;
  }

  /** A clock will fire then. */
  public void expect(long due) {
    this.dueAt = due;
  }

  /**
   * Takes note of a pause, if the clock that is expected is late.
   *
   * @return whether it is
   */
  public boolean detect(long now) {
    return detect(now, dueAt);
  }

  /** The same of a clock that was due then. */
  public synchronized boolean detect(long now, long due) {
    // What was due before a pause that is known of is late because of that one.
    long from = resumedAt - due > 0 ? resumedAt : due;
    if (!isLate(from, now)) {
      return false;
    }
    lostNanos += now - from;
    this.dueAt = now;
    resumedAt = now;
    return true;
  }

  /** Whether there has been any. */
  public boolean hasPaused() {
    return lostNanos > 0;
  }

  /** How long they were in all, in nanoseconds; a little more than that in truth. */
  public long lostNanos() {
    return lostNanos;
  }

  /** When a clock runs out that was to run out then, with time to read what has come. */
  public long extend(long ends) {
    long grace = resumedAt + GRACE;
    return hasPaused() && grace - ends > 0 ? grace : ends;
  }

  /** Since when it is silent that was silent since then: nothing could be heard in a pause. */
  public long silentSince(long then) {
    return hasPaused() && resumedAt - then > 0 ? resumedAt : then;
  }
}
