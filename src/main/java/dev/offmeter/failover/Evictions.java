// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;

/**
 * Whether something else on the server pushes the model out soon after each load: another model
 * that does not fit beside it, or the same one with other options. Loads in the background would
 * only push that out in turn, again and again. Safe for use by many threads.
 */
final class Evictions {
  private static final int MANY = 3;
  private static final long WITHIN = Duration.ofMinutes(30).toNanos();

  /** A model that is held in memory is asked for every 2 min at least. */
  private static final long SOON = Duration.ofMinutes(3).toNanos();

  private static final long LEFT_ALONE = Duration.ofMinutes(10).toNanos();

  /** When it was gone, the latest last. */
  private final Deque<Long> gone = new ArrayDeque<>(MANY);

  private volatile boolean there;
  private long loadedAt;
  private volatile boolean begun;
  private volatile long until;

  /** Whether the model is in memory, as far as is known. */
  boolean isThere() {
    return there;
  }

  /**
   * The model is in memory.
   *
   * @param loaded whether it had to be loaded for that
   */
  synchronized void onThere(long now, boolean loaded) {
    if (loaded || !there) {
      loadedAt = now;
    }
    there = true;
  }

  /**
   * The model is not in memory any more, although it has not been idle for so long that the server
   * would drop it.
   *
   * @return whether that has been so soon after its load once too often
   */
  synchronized boolean onGone(long now) {
    if (!there) {
      return false;
    }
    there = false;
    if (now - loadedAt >= SOON) {
      return false;
    }
    gone.addLast(now);
    if (gone.size() < MANY) {
      return false;
    }
    boolean tooOften = now - gone.removeFirst() < WITHIN;
    if (tooOften) {
      until = now + LEFT_ALONE;
      begun = true;
    }
    return tooOften;
  }

  /** Whether the model is left to the calls to load. */
  boolean leaveItToCalls(long now) {
    return begun && now - until < 0;
  }

  /** Somebody says that it is mended: the next time decides. */
  synchronized void retry(long now) {
    until = now;
  }
}
