// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.endpoint;

import dev.offmeter.wire.Failure;

/** Hears how far an exchange has come, on the thread that runs it. */
public interface Progress {
  /** A connection is looked for from now on. */
  void connecting();

  /** A connection is there: made anew, or kept from an earlier call. */
  void connected();

  /** The connection has served an earlier call, so that the server may have closed it by now. */
  default void reused() {}

  /** Whether no connection will do that has served an earlier call. */
  default boolean wantsNewConnection() {
    return false;
  }

  /**
   * The server has refused the request as it was, and one more is about to be sent.
   *
   * @throws Failure if there may be no more
   */
  default void askingAgain() throws Failure {}

  /** The head of a reply has arrived that has an answer after it. */
  default void replied() {}

  /** A piece of answer or thinking has arrived. */
  void piece();

  /** The text is whole. What may still follow is a count of tokens, or nothing at all. */
  default void onTextEnded() {}
}
