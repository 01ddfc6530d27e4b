// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import java.io.IOException;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Limits the part of the heap that one answer may fill. Many endpoints may send much at once, each
 * within its own limit: so all answers that are being read in this process share a limit. One may
 * take as much as is left, so that a few that never end leave room for others. What has been read
 * and is no longer kept counts no more.
 *
 * <p>Used by the thread that reads the answer.
 */
public final class HeapBudget {
  /** Hardly any answer keeps more than this, and none that keeps less is counted. */
  public static final int FREE = 256 * 1024;

  private static final int STEP = 64 * 1024;
  private static final int VALUE = 20;

  /**
   * The limit of all answers, a sixteenth of the heap. The text of a long line is kept as bytes, as
   * the parser's copy, and as the answer: up to six bytes for each byte of the body.
   */
  private static final long ALL_OF_PROCESS = Runtime.getRuntime().maxMemory() / 16;

  private static final AtomicLong OF_PROCESS = new AtomicLong(ALL_OF_PROCESS);

  private final AtomicLong left;
  private final long all;
  private long kept;
  private long taken;

  /** Creates an empty budget on the heap of this process. */
  public HeapBudget() {
    this(OF_PROCESS, ALL_OF_PROCESS);
  }

  HeapBudget(AtomicLong left, long all) {
    this.left = left;
    this.all = all;
  }

  /** Adds a value of a tree, which takes about 120 bytes beside its text. */
  void growByValue() throws TooLargeException {
    grow(VALUE);
  }

  /**
   * Adds bytes.
   *
   * @throws TooLargeException if all answers leave less
   */
  public void grow(long bytes) throws TooLargeException {
    keep(kept + bytes);
  }

  /**
   * Sets how many bytes are kept now.
   *
   * @throws TooLargeException if all answers leave less
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

  /** Releases all of it. */
  public void release() {
    giveBack(taken);
    kept = 0;
  }

  /** Thrown when a server sends more than may be read; the message says of what. */
  public static class TooLargeException extends IOException {
    private static final long serialVersionUID = 1L;

    /** Creates the exception with a message that names the limit. */
    public TooLargeException(String message) {
      super(message);
    }
  }

  /** Thrown when other answers have taken the heap: this server may have sent little. */
  public static final class BudgetExhaustedException extends TooLargeException {
    private static final long serialVersionUID = 1L;

    BudgetExhaustedException() {
      super(
          "other answers leave no room in the heap: all that are read at once may take a sixteenth"
              + " of it");
    }
  }
}
