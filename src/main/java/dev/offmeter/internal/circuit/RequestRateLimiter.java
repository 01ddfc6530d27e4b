// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.circuit;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import java.time.Duration;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Limits the requests within any 60 s. Keeps the time of each, so that the limit holds in every
 * window and not only on average. Safe for use by many threads.
 */
public final class RequestRateLimiter {
  private static final long MINUTE = Duration.ofMinutes(1).toNanos();

  private final ReentrantLock lock = new ReentrantLock();
  private final int limit;

  // Guarded by the lock.
  private final long[] sentAt;
  private long count;

  /** Creates a limiter; {@code MAX_VALUE} is no limit. */
  public RequestRateLimiter(int limit) {
    this.limit = limit;
    this.sentAt = new long[limit == Integer.MAX_VALUE ? 0 : limit];
  }

  /**
   * Takes one request.
   *
   * @throws AttemptException if those of the last minute are used up
   */
  public void take(long now) throws AttemptException {
    if (sentAt.length > 0 && !tryTake(now)) {
      throw usedUp();
    }
  }

  /**
   * Checks whether a request could be taken, and takes none.
   *
   * @throws AttemptException if those of the last minute are used up
   */
  public void check(long now) throws AttemptException {
    if (!timeUntilFree(now).isZero()) {
      throw usedUp();
    }
  }

  private AttemptException usedUp() {
    return AttemptException.of(
        FailureKind.CLIENT_RATE_LIMITED,
        "all " + limit + " requests of the last minute are used up");
  }

  /** Returns how long until a request may be sent; zero for now. */
  public Duration timeUntilFree(long now) {
    if (sentAt.length == 0) {
      return Duration.ZERO;
    }
    lock.lock();
    try {
      long left = MINUTE - (now - sentAt[(int) (count % limit)]);
      return count < limit || left <= 0 ? Duration.ZERO : Duration.ofNanos(left);
    } finally {
      lock.unlock();
    }
  }

  private boolean tryTake(long now) {
    lock.lock();
    try {
      int slot = (int) (count % limit);
      if (count >= limit && now - sentAt[slot] < MINUTE) {
        return false;
      }
      sentAt[slot] = now;
      count++;
      return true;
    } finally {
      lock.unlock();
    }
  }
}
