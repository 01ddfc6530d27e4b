// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.health;

/**
 * How far the load is that attempts at one endpoint wait for. A server loads its model for the
 * attempt that has waited longest; when that one goes, the load begins anew for the next. Safe for
 * use by many threads; what is lost in a race is an estimate.
 */
final class ModelLoadProgress {
  private volatile long longestAbandoned;
  private volatile long restartedAt;

  ModelLoadProgress(long now) {
    this.restartedAt = now;
  }

  /**
   * An attempt has gone without a byte.
   *
   * @param begun when it was made
   * @param first whether none waits that was made before it
   */
  void onAbandoned(long begun, long now, boolean first) {
    long seen = now - later(begun, restartedAt);
    if (seen > longestAbandoned) {
      longestAbandoned = seen;
    }
    if (first) {
      restartedAt = now;
    }
  }

  /** The model is in memory. */
  void onLoaded() {
    // Read first: every answer comes here.
    if (longestAbandoned != 0) {
      longestAbandoned = 0;
    }
  }

  /**
   * Nanoseconds that the load still takes at least.
   *
   * @param begun when the attempt was made that waits for it
   * @param last how long the last one took, 0 if that is unknown
   * @return 0 if nothing is known
   */
  long remaining(long begun, long now, long last) {
    long whole = Math.max(last, longestAbandoned);
    return Math.max(0, whole - (now - later(begun, restartedAt)));
  }

  private static long later(long one, long other) {
    return one - other > 0 ? one : other;
  }
}
