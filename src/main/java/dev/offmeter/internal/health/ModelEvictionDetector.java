// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.health;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;

/**
 * Whether something else on the server pushes the model out soon after each load: another model
 * that does not fit beside it, or the same one with other options. Loads in the background would
 * only push that out in turn, again and again. Safe for use by many threads.
 */
final class ModelEvictionDetector {
  private static final int MANY = 3;
  private static final long WITHIN = Duration.ofMinutes(30).toNanos();

  /** A model that is held in memory is asked for every 2 min at least. */
  private static final long SOON_AFTER_LOAD = Duration.ofMinutes(3).toNanos();

  private static final long LEFT_TO_CALLS = Duration.ofMinutes(10).toNanos();

  /** When it was gone, the latest last. */
  private final Deque<Long> evictions = new ArrayDeque<>(MANY);

  private volatile boolean inMemory;
  private long loadedAt;
  private volatile boolean leftToCalls;
  private volatile long leftToCallsUntil;

  /** Returns whether the model is in memory, as far as is known. */
  boolean isLoaded() {
    return inMemory;
  }

  /**
   * The model is in memory.
   *
   * @param loaded whether it had to be loaded for that
   */
  synchronized void onLoaded(long now, boolean loaded) {
    if (loaded || !inMemory) {
      loadedAt = now;
    }
    inMemory = true;
  }

  /**
   * The model is not in memory any more, although it has not been idle for so long that the server
   * would drop it.
   *
   * @return whether that has been so soon after its load once too often
   */
  synchronized boolean onEvicted(long now) {
    if (!inMemory) {
      return false;
    }
    inMemory = false;
    if (now - loadedAt >= SOON_AFTER_LOAD) {
      return false;
    }
    evictions.addLast(now);
    if (evictions.size() < MANY) {
      return false;
    }
    boolean tooOften = now - evictions.removeFirst() < WITHIN;
    if (tooOften) {
      leftToCallsUntil = now + LEFT_TO_CALLS;
      leftToCalls = true;
    }
    return tooOften;
  }

  /** Returns whether the model is left to the calls to load. */
  boolean isLeftToCalls(long now) {
    return leftToCalls && now - leftToCallsUntil < 0;
  }

  /** Somebody says that it is mended: the next time decides. */
  synchronized void reset(long now) {
    leftToCallsUntil = now;
  }
}
