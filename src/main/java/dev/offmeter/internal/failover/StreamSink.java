// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import dev.offmeter.Attempt;
import dev.offmeter.internal.AttemptException;
import org.jspecify.annotations.Nullable;

/** Receives an answer piece by piece. Called by the thread that reads. */
interface StreamSink {
  /** Receives nothing: only the complete answer is wanted. */
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
        public @Nullable Attempt takeRestart() {
          return null;
        }

        @Override
        public String shown() {
          return "";
        }
      };

  /**
   * Returns how many pieces must have arrived before the first is shown; {@code MAX_VALUE} if none
   * is before the end.
   */
  int piecesBeforeFirst();

  /**
   * Called when the attempt may have more to show.
   *
   * @throws AttemptException if text on show turns out to be no part of the answer
   */
  void onProgress(TimedAttempt attempt) throws AttemptException;

  /**
   * Discards what is on show after a failed attempt, if the stream may start again; returns whether
   * it may.
   */
  boolean tryRestart(Attempt failed);

  /**
   * Returns the attempt because of which what was on show has been discarded since this was asked
   * last; null if that did not happen.
   */
  @Nullable Attempt takeRestart();

  /** Returns the text on show. */
  String shown();
}
