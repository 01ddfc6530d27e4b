// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.endpoint;

import java.util.concurrent.atomic.AtomicLong;

/**
 * The part of the heap that one body may fill. Many endpoints may send much at once, each within
 * its own limit: what is being read in this process has a limit together. A body may take as much
 * as is left by all, so that a few that never end leave room for others.
 *
 * <p>Used by the thread that reads the body.
 */
final class HeapShare {
  /** No other answer is so long, and none so short is counted. */
  static final int FREE = 256 * 1024;

  private static final int STEP = 64 * 1024;

  /**
   * A sixteenth of the heap. The text of a long line is there as bytes, as what the parser made of
   * it, and as the answer: up to six bytes for each of the body.
   */
  private static final AtomicLong OF_PROCESS =
      new AtomicLong(Runtime.getRuntime().maxMemory() / 16);

  private final AtomicLong left;
  private long read;
  private long taken;

  HeapShare() {
    this(OF_PROCESS);
  }

  HeapShare(AtomicLong left) {
    this.left = left;
  }

  /**
   * So many more bytes of it are kept.
   *
   * @throws TooLarge if it takes more than all leave
   */
  void grow(long bytes) throws TooLarge {
    read += bytes;
    while (read - FREE > taken) {
      if (left.addAndGet(-STEP) < taken) {
        left.addAndGet(STEP);
        throw new TooLarge(
            "the answer is larger than the heap has room for: "
                + read
                + " bytes so far, and no more than a sixteenth of the heap for all together");
      }
      taken += STEP;
    }
  }

  /** Nothing of it is kept any more. */
  void release() {
    left.addAndGet(taken);
    taken = 0;
    read = 0;
  }
}
