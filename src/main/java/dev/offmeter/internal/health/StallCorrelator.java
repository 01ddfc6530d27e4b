// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.health;

/**
 * Whether a stall tells more of an endpoint than the one before, while its health checks are well.
 * A router that forgets its connections silences all answers that are under way at once, and that
 * is one event: only an answer that began after it and stalls too is a further one. Safe for use by
 * many threads.
 */
final class StallCorrelator {
  private boolean any;
  private long last;

  /**
   * Takes note of an attempt that has stalled.
   *
   * @param begun when it was made
   * @return whether it was under way already when the one that counted last stalled
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
