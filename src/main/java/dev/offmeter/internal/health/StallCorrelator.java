// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.health;

/**
 * Decides whether a stall is new evidence against an endpoint whose health checks pass. A router
 * that forgets its connections silences all running answers at once, and that is one event; only an
 * answer that began after it and stalls too is a further one. Safe for use by many threads.
 */
final class StallCorrelator {
  // Guarded by this.
  private boolean any;
  private long last;

  /**
   * Records an attempt that has stalled.
   *
   * @param begun when the attempt began
   * @return whether it was already running when the last stall that counted happened
   */
  synchronized boolean recordStall(long begun, long now) {
    boolean shared = any && last - begun > 0;
    if (!shared) {
      any = true;
      last = now;
    }
    return shared;
  }
}
