// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.FailureKind;
import dev.offmeter.wire.Failure;
import java.time.Duration;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The most requests within any 60 s. It keeps the moment of each, so that the limit holds in every
 * minute and not only on average. Safe for use by many threads.
 */
final class Rate {
  private static final long MINUTE = Duration.ofMinutes(1).toNanos();

  private final ReentrantLock lock = new ReentrantLock();
  private final int limit;
  private final long[] taken;
  private long count;

  /** A limit; {@code MAX_VALUE} for none. */
  Rate(int limit) {
    this.limit = limit;
    this.taken = new long[limit == Integer.MAX_VALUE ? 0 : limit];
  }

  /**
   * Takes one request.
   *
   * @throws Failure if those of the last minute are used up
   */
  void take(long now) throws Failure {
    if (taken.length > 0 && !isTaken(now)) {
      throw Failure.of(
          FailureKind.CLIENT_RATE_LIMITED,
          "all " + limit + " requests of the last minute are used up");
    }
  }

  /** How long until a request may be sent; zero for now. */
  Duration freeIn(long now) {
    if (taken.length == 0) {
      return Duration.ZERO;
    }
    lock.lock();
    try {
      long left = MINUTE - (now - taken[(int) (count % limit)]);
      return count < limit || left <= 0 ? Duration.ZERO : Duration.ofNanos(left);
    } finally {
      lock.unlock();
    }
  }

  private boolean isTaken(long now) {
    lock.lock();
    try {
      int slot = (int) (count % limit);
      if (count >= limit && now - taken[slot] < MINUTE) {
        return false;
      }
      taken[slot] = now;
      count++;
      return true;
    } finally {
      lock.unlock();
    }
  }
}
