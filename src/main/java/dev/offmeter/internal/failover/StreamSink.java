// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import dev.offmeter.Attempt;
import dev.offmeter.internal.AttemptException;

/** Who is shown an answer while it comes. Called by the thread that reads. */
interface StreamSink {
  /** Nobody: the answer is wanted whole. */
  StreamSink NONE =
      new StreamSink() {
        @Override
        public int piecesBeforeFirst() {
          return Integer.MAX_VALUE;
        }

        @Override
        public void onProgress(TimedAttempt attempt) {}

        @Override
        public boolean tryRestart(Attempt failed) {
          return true;
        }

        @Override
        public String shown() {
          return "";
        }
      };

  /**
   * Returns how many pieces must have come before any is shown; {@code MAX_VALUE} if none ever is.
   */
  int piecesBeforeFirst();

  /**
   * The attempt may have more to show.
   *
   * @throws AttemptException if what was shown turns out to have been no part of the answer
   */
  void onProgress(TimedAttempt attempt) throws AttemptException;

  /** Returns whether, after this attempt, another may be shown from its beginning. */
  boolean tryRestart(Attempt failed);

  /** Returns the text on show. */
  String shown();
}
