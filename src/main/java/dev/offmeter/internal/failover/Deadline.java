// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import dev.offmeter.internal.http.EndpointConfig;
import dev.offmeter.internal.time.TimeSource;
import java.time.Duration;
import java.util.List;
import java.util.Locale;

/** Keeps the time that a call has left, and shares it out among endpoints. */
final class Deadline {
  /** The most time that is kept back for a function in this process. */
  private static final long LOCAL_SHARE = Duration.ofSeconds(1).toNanos();

  /** The time between attempts that a call without a deadline of its own is granted. */
  private static final long BETWEEN_ATTEMPTS = Duration.ofMillis(250).toNanos();

  private static final long MILLI = Duration.ofMillis(1).toNanos();

  private static final long FAR = Duration.ofDays(365).toNanos();

  private final TimeSource time;
  private final long start;
  private final long total;
  private final boolean set;

  // Owned by the thread that reads the stream. A plain call, which a hedge reads too, is not
  // delivered, so that none of the four changes.

  private boolean delivering;
  private boolean readerIdle;
  private long pausedSince;
  private long paused;

  /** Set by the call's thread or its hedge's, read by the timer's. */
  private volatile boolean waited;

  private Deadline(TimeSource time, long start, long total, boolean set) {
    this.time = time;
    this.start = start;
    this.total = total;
    this.set = set;
  }

  /** Returns a deadline that the caller has set, from {@code then} on. */
  static Deadline setAt(TimeSource time, long then, Duration total) {
    return new Deadline(time, then, total.toNanos(), true);
  }

  /**
   * Returns the deadline of a call whose caller has set none: the sum of what its endpoints may
   * take by their settings. Of a stream it covers the waits for an answer to begin, not the
   * delivery.
   *
   * @param repaired whether each endpoint may have a repair turn
   */
  static Deadline ofEndpoints(TimeSource time, List<GuardedEndpoint> endpoints, boolean repaired) {
    long total = BETWEEN_ATTEMPTS + requiredNanos(endpoints);
    for (GuardedEndpoint endpoint : endpoints) {
      total += repaired ? endpoint.config().timeouts().attempt().toNanos() : 0;
    }
    return new Deadline(time, time.nanos(), total, false);
  }

  /**
   * Returns the nanoseconds that the endpoints need for every configured attempt, back-off and
   * queue.
   */
  static long requiredNanos(List<GuardedEndpoint> endpoints) {
    long needs = 0;
    for (GuardedEndpoint endpoint : endpoints) {
      EndpointConfig config = endpoint.config();
      needs += config.timeouts().attempt().toNanos() * (config.retries() + 1);
      needs += RetryPolicy.maxTotalBackoff(config.retries()).toNanos() + config.maxWait().toNanos();
    }
    return needs;
  }

  /** Returns whether the caller has set the deadline. */
  boolean isSet() {
    return set;
  }

  long elapsed() {
    return time.nanos() - start;
  }

  /** Returns the nanoseconds of the whole call. */
  long total() {
    return total;
  }

  long remaining() {
    long now = isPaused() ? time.nanos() - pausedSince : 0;
    return total + paused + now - elapsed();
  }

  /**
   * Starts the delivery of a stream.
   *
   * @return when the delivery must have ended
   */
  long beginDelivery() {
    if (set) {
      return start + total;
    }
    setPaused(true, readerIdle);
    return start + FAR;
  }

  /** Ends the delivery, if there was one. */
  void endDelivery() {
    setPaused(false, readerIdle);
  }

  /**
   * Stops the clock: the reader of a stream is handling an event, and may take as long as they
   * like.
   */
  void onReaderIdle() {
    setPaused(delivering, !set);
  }

  /** Starts the clock again: the reader waits for the next event. */
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
   * Returns what is kept back for the endpoints still to come: for each its own timeout, or an
   * equal share of what is left if that is less.
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

  /** Returns a time in milliseconds for a message; a fraction of one is never shown as 0. */
  static String text(long nanos) {
    return nanos > 0 && nanos < MILLI
        ? String.format(Locale.ROOT, "%.1f ms", nanos / (double) MILLI)
        : Math.max(0, nanos / MILLI) + " ms";
  }

  /**
   * Records that the call waits for a slot or a back-off, which must not be held against an
   * endpoint.
   */
  void onWait() {
    waited = true;
  }

  /**
   * Returns whether a share that ended says more about a short deadline, or the call's own waits,
   * than about the endpoint.
   */
  boolean isExcuse(long share, Duration attempt) {
    long limit = attempt.toNanos();
    return share < (waited ? limit : limit / 2);
  }
}
