// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import java.io.IOException;
import java.util.concurrent.atomic.AtomicLong;

/**
 * The part of the heap that one body may fill. Many endpoints may send much at once, each within
 * its own limit: what is being read in this process has a limit together. A body may take as much
 * as is left by all, so that a few that never end leave room for others.
 *
 * <p>Used by the thread that reads the body.
 */
public final class HeapShare {
  /** No other answer is so long, and none so short is counted. */
  static final int FREE = 256 * 1024;

  private static final int STEP = 64 * 1024;
  private static final int VALUE = 20;

  /**
   * A sixteenth of the heap. The text of a long line is there as bytes, as what the parser made of
   * it, and as the answer: up to six bytes for each of the body.
   */
  private static final AtomicLong OF_PROCESS =
      new AtomicLong(Runtime.getRuntime().maxMemory() / 16);

  private final AtomicLong left;
  private long read;
  private long taken;

  /** Nothing yet, of the heap of this process. */
  public HeapShare() {
    this(OF_PROCESS);
  }

  HeapShare(AtomicLong left) {
    this.left = left;
  }

  /** A value of a tree takes about 120 bytes, beside its text. */
  void growByValue() throws TooLarge {
    grow(VALUE);
  }

  /**
   * So many more bytes of it are kept.
   *
   * @throws TooLarge if it takes more than all leave
   */
  public void grow(long bytes) throws TooLarge {
    read += bytes;
    while (read - FREE > taken) {
      if (left.addAndGet(-STEP) < taken) {
        left.addAndGet(STEP);
        throw new TooLarge(
            "the answer is larger than the heap has room for: all that are read at once may take a"
                + " sixteenth of it");
      }
      taken += STEP;
    }
  }

  /** Nothing of it is kept any more. */
  public void release() {
    left.addAndGet(taken);
    taken = 0;
    read = 0;
  }

  /** A server sends more than may be read of it; the message says of what. */
  public static final class TooLarge extends IOException {
    private static final long serialVersionUID = 1L;

    /** So much is too much. */
    public TooLarge(String message) {
      super(message);
    }
  }
}
