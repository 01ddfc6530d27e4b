// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

/** Gives access to the part of an answer that has arrived, on the thread that reads it. */
public interface PartialAnswer {
  /** An empty answer, as of an in-process function before it returns. */
  PartialAnswer NOTHING =
      new PartialAnswer() {
        @Override
        public CharSequence text() {
          return "";
        }

        @Override
        public CharSequence thinking() {
          return "";
        }

        @Override
        public int withdrawals() {
          return 0;
        }
      };

  /** Returns the answer, which grows, and starts anew with each withdrawal. */
  CharSequence text();

  /** Returns the thinking, which only grows. */
  CharSequence thinking();

  /** Returns how often the text so far turned out to have been thinking. */
  int withdrawals();

  /** Returns whether the answer so far ends in a passage that repeats itself. */
  default boolean isRepeating() {
    return false;
  }
}
