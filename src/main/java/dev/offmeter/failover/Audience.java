// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.Attempt;
import dev.offmeter.wire.Failure;

/** Who is shown an answer while it comes. Called by the thread that reads. */
interface Audience {
  /** Nobody: the answer is wanted whole. */
  Audience NOBODY =
      new Audience() {
        @Override
        public int showsFrom() {
          return Integer.MAX_VALUE;
        }

        @Override
        public void hears(TimedAttempt attempt) {}

        @Override
        public boolean mayStartAgain(Attempt failed) {
          return true;
        }

        @Override
        public String shown() {
          return "";
        }
      };

  /** How many pieces must have come before any is shown; {@code MAX_VALUE} if none ever is. */
  int showsFrom();

  /**
   * The attempt may have more to show.
   *
   * @throws Failure if what was shown turns out to have been no part of the answer
   */
  void hears(TimedAttempt attempt) throws Failure;

  /** Whether, after this attempt, another may be shown from its beginning. */
  boolean mayStartAgain(Attempt failed);

  /** The text on show. */
  String shown();
}
