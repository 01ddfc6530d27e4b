// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.health;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;

/**
 * Detects that something else on the server evicts the model soon after each load: another model
 * that does not fit beside it, or the same one with other options. Background loads would only
 * evict that in turn, again and again. Safe for use by many threads.
 */
final class ModelEvictionDetector {
  private static final int MANY = 3;
  private static final long WITHIN = Duration.ofMinutes(30).toNanos();

  /** Longer than {@link KeepWarmTask} takes to ask for the model again, 2 min at most. */
  private static final long SOON_AFTER_LOAD = Duration.ofMinutes(3).toNanos();

  private static final long LEFT_TO_CALLS = Duration.ofMinutes(10).toNanos();

  // Written under the lock of this; what is volatile is read without it.

  /** The times at which the model was found evicted, the latest last. */
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
   * Records that the model is in memory.
   *
   * @param loaded whether it had to be loaded
   */
  synchronized void onLoaded(long now, boolean loaded) {
    if (loaded || !inMemory) {
      loadedAt = now;
    }
    inMemory = true;
  }

  /**
   * Records that the model is not in memory although it has not been idle long enough for the
   * server to drop it.
   *
   * @return whether evictions soon after a load are now too many
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

  /** Returns whether only calls load the model. */
  boolean isLeftToCalls(long now) {
    return leftToCalls && now - leftToCallsUntil < 0;
  }

  /** Forgets earlier evictions, because an operator reports a repair. */
  synchronized void reset(long now) {
    leftToCallsUntil = now;
  }
}
