// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import java.io.IOException;
import java.util.concurrent.atomic.AtomicLong;

/**
 * The part of the heap that one answer may fill. Many endpoints may send much at once, each within
 * its own limit: what is kept of all that are being read in this process has a limit together. One
 * may take as much as is left by all, so that a few that never end leave room for others. What has
 * been read and is no longer kept takes nothing.
 *
 * <p>Used by the thread that reads the answer.
 */
public final class HeapBudget {
  /** Hardly any answer keeps more, and none that keeps less is counted. */
  public static final int FREE = 256 * 1024;

  private static final int STEP = 64 * 1024;
  private static final int VALUE = 20;

  /**
   * A sixteenth of the heap. The text of a long line is there as bytes, as what the parser made of
   * it, and as the answer: up to six bytes for each of the body.
   */
  private static final long ALL_OF_PROCESS = Runtime.getRuntime().maxMemory() / 16;

  private static final AtomicLong OF_PROCESS = new AtomicLong(ALL_OF_PROCESS);

  private final AtomicLong left;
  private final long all;
  private long kept;
  private long taken;

  /** Nothing yet, of the heap of this process. */
  public HeapBudget() {
    this(OF_PROCESS, ALL_OF_PROCESS);
  }

  HeapBudget(AtomicLong left, long all) {
    this.left = left;
    this.all = all;
  }

  /** A value of a tree takes about 120 bytes, beside its text. */
  void growByValue() throws TooLargeException {
    grow(VALUE);
  }

  /**
   * So many more bytes of it are kept.
   *
   * @throws TooLargeException if it takes more than all leave
   */
  public void grow(long bytes) throws TooLargeException {
    keep(kept + bytes);
  }

  /**
   * So many bytes of it are kept now, however many there were.
   *
   * @throws TooLargeException if it takes more than all leave
   */
  public void keep(long bytes) throws TooLargeException {
    kept = bytes;
    while (bytes - FREE > taken) {
      takeStep();
    }
    if (taken > 0) {
      giveBack(Math.min(taken, taken - (bytes - FREE)) / STEP * STEP);
    }
  }

  private void takeStep() throws TooLargeException {
    if (left.addAndGet(-STEP) < taken) {
      left.addAndGet(STEP);
      throw 2 * taken > all - STEP
          ? new TooLargeException(
              "the answer is larger than the heap has room for: all that are read at once may take"
                  + " a sixteenth of it")
          : new BudgetExhaustedException();
    }
    taken += STEP;
  }

  private void giveBack(long bytes) {
    if (bytes > 0) {
      left.addAndGet(bytes);
      taken -= bytes;
    }
  }

  /** Nothing of it is kept any more. */
  public void release() {
    giveBack(taken);
    kept = 0;
  }

  /** A server sends more than may be read of it; the message says of what. */
  public static class TooLargeException extends IOException {
    private static final long serialVersionUID = 1L;

    /** So much is too much. */
    public TooLargeException(String message) {
      super(message);
    }
  }

  /** Others have taken the heap that there is: the server may have sent little. */
  public static final class BudgetExhaustedException extends TooLargeException {
    private static final long serialVersionUID = 1L;

    BudgetExhaustedException() {
      super(
          "other answers leave no room in the heap: all that are read at once may take a sixteenth"
              + " of it");
    }
  }
}
