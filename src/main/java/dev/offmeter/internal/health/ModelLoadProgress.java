// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.health;

/**
 * Estimates the progress of a load that attempts at one endpoint wait for. A server loads its model
 * for the attempt that has waited longest; when that attempt goes, the load starts over for the
 * next. Safe for use by many threads: a race loses an estimate only.
 */
final class ModelLoadProgress {
  // Written by the thread of any call; a write that is lost in a race costs a better estimate.
  private volatile long longestAbandoned;
  private volatile long restartedAt;

  ModelLoadProgress(long now) {
    this.restartedAt = now;
  }

  /**
   * Records that an attempt has gone without a byte.
   *
   * @param begun when the attempt began
   * @param first whether no earlier attempt waits
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

  /** Records that the model is in memory. */
  void onLoaded() {
    // Read before it is written: every answer comes here.
    if (longestAbandoned != 0) {
      longestAbandoned = 0;
    }
  }

  /**
   * Returns the least nanoseconds that the load still takes.
   *
   * @param begun when the attempt that waits began
   * @param last how long the last load took, 0 if unknown
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
