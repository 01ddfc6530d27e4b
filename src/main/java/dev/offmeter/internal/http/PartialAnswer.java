// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

/** The part of an answer that has come so far, on the thread that reads it. */
public interface PartialAnswer {
  /** Nothing, as of an in-process function before it returns. */
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

  /** The answer. It grows, and starts anew with each withdrawal. */
  CharSequence text();

  /** The thinking. It grows. */
  CharSequence thinking();

  /** How often the text before turned out to have been thinking. */
  int withdrawals();
}
