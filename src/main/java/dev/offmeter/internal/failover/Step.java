// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import dev.offmeter.ChatResponse;

/** The outcome of one step of a call, or of its stay at one endpoint. */
sealed interface Step {
  /** Stands for each step after which another follows. */
  Step CONTINUE = new Continue();

  /** Stands for each step after which no answer can be had here. */
  Step EXHAUSTED = new Exhausted();

  /** Another step follows; a stream shows its reader first what has come. */
  record Continue() implements Step {}

  /**
   * The call has its answer, and its listener knows it.
   *
   * @param response the answer
   */
  record Answered(ChatResponse response) implements Step {}

  /** Nothing more can be tried: at this endpoint, or, as a step of the whole call, at any. */
  record Exhausted() implements Step {}
}
