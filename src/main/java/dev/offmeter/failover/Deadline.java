// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import java.time.Duration;
import java.util.List;

/** The time that a call has left, and how it is shared out. */
final class Deadline {
  /** What a function in this process needs at most, to be kept back for it. */
  private static final long LOCAL_SHARE = Duration.ofSeconds(1).toNanos();

  private static final long FAR = Duration.ofDays(365).toNanos();

  private final Time time;
  private final long start;
  private final long total;
  private final boolean coversDelivery;
  private boolean delivering;
  private boolean resting;
  private long pausedSince;
  private long paused;

  /**
   * A deadline that begins now.
   *
   * @param coversDelivery whether time runs while a stream is delivered: so it does if the caller
   *     has set the deadline, and not if it is only the sum of what the endpoints may take to begin
   */
  Deadline(Time time, Duration total, boolean coversDelivery) {
    this.time = time;
    this.start = time.nanos();
    this.total = total.toNanos();
    this.coversDelivery = coversDelivery;
  }

  long elapsed() {
    return time.nanos() - start;
  }

  long left() {
    long now = isPaused() ? time.nanos() - pausedSince : 0;
    return total + paused + now - elapsed();
  }

  /**
   * A stream has begun to be delivered.
   *
   * @return when it must be over
   */
  long deliveryBegins() {
    if (coversDelivery) {
      return start + total;
    }
    pauseWhile(true, resting);
    return start + FAR;
  }

  /** The delivery, if there was one, is over. */
  void deliveryEnds() {
    pauseWhile(false, resting);
  }

  /** The reader of a stream has an event, and takes his time. */
  void readerRests() {
    pauseWhile(delivering, !coversDelivery);
  }

  /** The reader wants more. */
  void readerWaits() {
    pauseWhile(delivering, false);
  }

  private boolean isPaused() {
    return delivering || resting;
  }

  private void pauseWhile(boolean delivering, boolean resting) {
    boolean before = isPaused();
    this.delivering = delivering;
    this.resting = resting;
    if (isPaused() && !before) {
      pausedSince = time.nanos();
    } else if (before && !isPaused()) {
      paused += time.nanos() - pausedSince;
    }
  }

  /**
   * What an attempt may use of the time left: all but what is kept back for the endpoints still to
   * come. Each of those keeps its own limit, or an equal share if that is less.
   */
  long share(List<Gate> stillToCome) {
    long left = left();
    long equal = left / (stillToCome.size() + 1);
    long kept = 0;
    for (Gate gate : stillToCome) {
      long most = gate.spec().isLocal() ? Math.min(equal, LOCAL_SHARE) : equal;
      kept += Math.min(gate.spec().limits().attempt().toNanos(), most);
    }
    return left - kept;
  }

  /**
   * Whether a share is so much less than an attempt's own limit that its end says more of the
   * caller's hurry than of the endpoint.
   */
  static boolean isSliver(long share, Duration attempt) {
    return share < attempt.toNanos() / 2;
  }
}
