// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.endpoint.EndpointSpec;
import java.time.Duration;
import java.util.List;
import java.util.Locale;

/** The time that a call has left, and how it is shared out. */
final class Deadline {
  /** What a function in this process needs at most, to be kept back for it. */
  private static final long LOCAL_SHARE = Duration.ofSeconds(1).toNanos();

  /** What lies between the attempts of a call whose deadline was not set. */
  private static final long BETWEEN_ATTEMPTS = Duration.ofMillis(250).toNanos();

  private static final long MILLI = Duration.ofMillis(1).toNanos();

  private static final long FAR = Duration.ofDays(365).toNanos();

  private final Time time;
  private final long start;
  private final long total;
  private final boolean set;
  private boolean delivering;
  private boolean resting;
  private long pausedSince;
  private long paused;
  private volatile boolean waited;

  private Deadline(Time time, long start, long total, boolean set) {
    this.time = time;
    this.start = start;
    this.total = total;
    this.set = set;
  }

  /** A deadline that the caller has set, and that begins now. */
  static Deadline set(Time time, Duration total) {
    return setAt(time, time.nanos(), total);
  }

  /** A deadline that the caller has set, and that began then. */
  static Deadline setAt(Time time, long then, Duration total) {
    return new Deadline(time, then, total.toNanos(), true);
  }

  /**
   * The deadline of a call whose caller has set none: all that its endpoints may take by their
   * settings. Of a stream it covers the waits for an answer to begin, and not the delivery.
   *
   * @param repaired whether each endpoint may be asked once more to mend its answer
   */
  static Deadline ofAll(Time time, List<Gate> gates, boolean repaired) {
    long total = BETWEEN_ATTEMPTS + needs(gates);
    for (Gate gate : gates) {
      total += repaired ? gate.spec().limits().attempt().toNanos() : 0;
    }
    return new Deadline(time, time.nanos(), total, false);
  }

  /** Nanoseconds that the endpoints need for every try, pause and queue that is configured. */
  static long needs(List<Gate> gates) {
    long needs = 0;
    for (Gate gate : gates) {
      EndpointSpec spec = gate.spec();
      needs += spec.limits().attempt().toNanos() * (spec.retries() + 1);
      needs += Retries.longestPauses(spec.retries()).toNanos() + spec.maxWait().toNanos();
    }
    return needs;
  }

  /** Whether the caller has set it. */
  boolean isSet() {
    return set;
  }

  long elapsed() {
    return time.nanos() - start;
  }

  /** Nanoseconds of the whole call. */
  long total() {
    return total;
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
    if (set) {
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
    pauseWhile(delivering, !set);
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
   * What is kept back for the endpoints still to come: of each its own limit, or an equal share of
   * what is left if that is less.
   */
  long equalShares(List<Gate> stillToCome) {
    long equal = left() / (stillToCome.size() + 1);
    long kept = 0;
    for (Gate gate : stillToCome) {
      long most = gate.spec().isLocal() ? Math.min(equal, LOCAL_SHARE) : equal;
      kept += Math.min(gate.spec().limits().attempt().toNanos(), most);
    }
    return kept;
  }

  /** How a time reads: in milliseconds, and a little of one as more than nothing. */
  static String text(long nanos) {
    return nanos > 0 && nanos < MILLI
        ? String.format(Locale.ROOT, "%.1f ms", nanos / (double) MILLI)
        : Math.max(0, nanos / MILLI) + " ms";
  }

  /** The call waits, for a place or a pause to end: that is not to be held against an endpoint. */
  void waits() {
    waited = true;
  }

  /**
   * Whether the end of a share says more of the caller's hurry, or of the call's own waiting, than
   * of the endpoint.
   */
  boolean excuses(long share, Duration attempt) {
    long limit = attempt.toNanos();
    return share < (waited ? limit : limit / 2);
  }
}
