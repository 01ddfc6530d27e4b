// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import dev.offmeter.internal.http.EndpointConfig;
import dev.offmeter.internal.time.TimeSource;
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

  private final TimeSource time;
  private final long start;
  private final long total;
  private final boolean set;
  private boolean delivering;
  private boolean readerIdle;
  private long pausedSince;
  private long paused;
  private volatile boolean waited;

  private Deadline(TimeSource time, long start, long total, boolean set) {
    this.time = time;
    this.start = start;
    this.total = total;
    this.set = set;
  }

  /** A deadline that the caller has set, and that begins now. */
  static Deadline startingNow(TimeSource time, Duration total) {
    return setAt(time, time.nanos(), total);
  }

  /** A deadline that the caller has set, and that began then. */
  static Deadline setAt(TimeSource time, long then, Duration total) {
    return new Deadline(time, then, total.toNanos(), true);
  }

  /**
   * Returns the deadline of a call whose caller has set none: all that its endpoints may take by
   * their settings. Of a stream it covers the waits for an answer to begin, and not the delivery.
   *
   * @param repaired whether each endpoint may be asked once more to mend its answer
   */
  static Deadline ofEndpoints(TimeSource time, List<GuardedEndpoint> gates, boolean repaired) {
    long total = BETWEEN_ATTEMPTS + requiredNanos(gates);
    for (GuardedEndpoint endpoint : gates) {
      total += repaired ? endpoint.config().timeouts().attempt().toNanos() : 0;
    }
    return new Deadline(time, time.nanos(), total, false);
  }

  /** Nanoseconds that the endpoints need for every try, pause and queue that is configured. */
  static long requiredNanos(List<GuardedEndpoint> gates) {
    long needs = 0;
    for (GuardedEndpoint endpoint : gates) {
      EndpointConfig config = endpoint.config();
      needs += config.timeouts().attempt().toNanos() * (config.retries() + 1);
      needs += RetryPolicy.maxTotalBackoff(config.retries()).toNanos() + config.maxWait().toNanos();
    }
    return needs;
  }

  /** Returns whether the caller has set it. */
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

  long remaining() {
    long now = isPaused() ? time.nanos() - pausedSince : 0;
    return total + paused + now - elapsed();
  }

  /**
   * A stream has begun to be delivered.
   *
   * @return when it must be over
   */
  long beginDelivery() {
    if (set) {
      return start + total;
    }
    setPaused(true, readerIdle);
    return start + FAR;
  }

  /** The delivery, if there was one, is over. */
  void endDelivery() {
    setPaused(false, readerIdle);
  }

  /** The reader of a stream has an event, and takes his time. */
  void onReaderIdle() {
    setPaused(delivering, !set);
  }

  /** The reader wants more. */
  void onReaderWaiting() {
    setPaused(delivering, false);
  }

  private boolean isPaused() {
    return delivering || readerIdle;
  }

  private void setPaused(boolean delivering, boolean resting) {
    boolean before = isPaused();
    this.delivering = delivering;
    this.readerIdle = resting;
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
  long equalShares(List<GuardedEndpoint> stillToCome) {
    long equal = remaining() / (stillToCome.size() + 1);
    long kept = 0;
    for (GuardedEndpoint endpoint : stillToCome) {
      long most = endpoint.config().isLocal() ? Math.min(equal, LOCAL_SHARE) : equal;
      kept += Math.min(endpoint.config().timeouts().attempt().toNanos(), most);
    }
    return kept;
  }

  /** Returns how a time reads: in milliseconds, and a little of one as more than nothing. */
  static String text(long nanos) {
    return nanos > 0 && nanos < MILLI
        ? String.format(Locale.ROOT, "%.1f ms", nanos / (double) MILLI)
        : Math.max(0, nanos / MILLI) + " ms";
  }

  /** The call waits, for a place or a pause to end: that is not to be held against an endpoint. */
  void onWait() {
    waited = true;
  }

  /**
   * Returns whether the end of a share says more of the caller's hurry, or of the call's own
   * waiting, than of the endpoint.
   */
  boolean isExcuse(long share, Duration attempt) {
    long limit = attempt.toNanos();
    return share < (waited ? limit : limit / 2);
  }
}
