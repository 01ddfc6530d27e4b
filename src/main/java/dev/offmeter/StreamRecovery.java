// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

/**
 * Decides what happens to a stream whose answer breaks off after some of it was shown. Before the
 * first piece is shown, a failure is invisible: the next endpoint is asked, as in {@link
 * LlmClient#chat(ChatRequest)}. Immutable.
 */
public final class StreamRecovery {
  /**
   * Tells the reader to discard what was shown ({@link ChatEvent.Restarted}) and shows the next
   * endpoint's answer from its beginning. The default.
   */
  public static final StreamRecovery RESTART = new StreamRecovery("RESTART", true, 0);

  /**
   * Throws an {@link LlmException} that carries what was shown ({@link
   * LlmException#partialText()}).
   */
  public static final StreamRecovery FAIL = new StreamRecovery("FAIL", false, 0);

  /**
   * Shows nothing until the answer is complete and checked, so that every failure stays invisible.
   */
  public static final StreamRecovery HOLD = new StreamRecovery("HOLD", false, Integer.MAX_VALUE);

  private final String name;
  private final boolean canRestart;
  private final int heldPieces;

  private StreamRecovery(String name, boolean canRestart, int heldPieces) {
    this.name = name;
    this.canRestart = canRestart;
    this.heldPieces = heldPieces;
  }

  /**
   * Shows nothing until {@code pieces} pieces of an answer or its thinking have arrived, so that
   * early failures stay invisible; later ones are treated as with {@link #FAIL}. Most servers send
   * one token a piece.
   *
   * @param pieces at least 1
   */
  public static StreamRecovery hold(int pieces) {
    if (pieces < 1) {
      throw new IllegalArgumentException("pieces must be at least 1, was " + pieces);
    }
    return new StreamRecovery("HOLD(" + pieces + ")", false, pieces);
  }

  /** Returns whether another answer may take the place of one that was shown in part. */
  public boolean canRestart() {
    return canRestart;
  }

  /** Returns how many pieces are held back before the first is shown; {@code MAX_VALUE} for all. */
  public int heldPieces() {
    return heldPieces;
  }

  @Override
  public String toString() {
    return name;
  }
}
