// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.time;

import java.time.Duration;

/**
 * Detects time in which this process itself stood still: a laptop that slept, a long garbage
 * collection, {@code SIGSTOP}, a virtual machine that was migrated. A timer that fires more than a
 * second late shows it. What arrived meanwhile is then read first, and no endpoint is blamed. Used
 * by the timer's thread; read by any.
 */
public final class ProcessPauseDetector {
  /** A timer of a running process is never as late as this. */
  private static final long LATE_AFTER = Duration.ofSeconds(1).toNanos();

  /** Long enough to read what has arrived, whatever timeouts have passed meanwhile. */
  private static final long GRACE = Duration.ofSeconds(1).toNanos();

  /** The longest interval between two timers, so that a pause is noticed. */
  public static final long TICK = Duration.ofSeconds(1).toNanos();

  private volatile long dueAt;
  private volatile long lostNanos;
  private volatile long resumedAt;

  public ProcessPauseDetector(long now) {
    this.dueAt = now;
    this.resumedAt = now;
  }

  /**
   * Returns whether a timer due at {@code due} fires so late that the process must have stood
   * still.
   */
  public static boolean isLate(long due, long now) {
    return now - due > LATE_AFTER;
  }

  /** Records when the next timer is due. */
  public void expect(long due) {
    this.dueAt = due;
  }

  /**
   * Records a pause if the expected timer is late.
   *
   * @return whether it is
   */
  public boolean detect(long now) {
    return detect(now, dueAt);
  }

  /** Records a pause if a timer due at {@code due} is late. */
  public synchronized boolean detect(long now, long due) {
    // A timer due before a known pause is late because of that pause, which must not count twice.
    long from = resumedAt - due > 0 ? resumedAt : due;
    if (!isLate(from, now)) {
      return false;
    }
    lostNanos += now - from;
    this.dueAt = now;
    resumedAt = now;
    return true;
  }

  /** Returns whether there has been a pause. */
  public boolean hasPaused() {
    return lostNanos > 0;
  }

  /** Returns the total length of all pauses in nanoseconds; the real one is slightly longer. */
  public long lostNanos() {
    return lostNanos;
  }

  /**
   * Returns when a timeout that was to end at {@code ends} ends now, with time to read what has
   * arrived.
   */
  public long extend(long ends) {
    long grace = resumedAt + GRACE;
    return hasPaused() && grace - ends > 0 ? grace : ends;
  }

  /**
   * Returns since when an endpoint silent since {@code then} counts as silent: nothing could be
   * heard in a pause.
   */
  public long silentSince(long then) {
    return hasPaused() && resumedAt - then > 0 ? resumedAt : then;
  }
}
