// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import dev.offmeter.internal.AttemptException;

/** Hears how far an exchange has come, on the thread that runs it. */
public interface ExchangeListener {
  /** A connection is looked for from now on. */
  void onConnecting();

  /** A connection is there: made anew, or kept from an earlier call. */
  void onConnected();

  /** The connection has served an earlier call, so that the server may have closed it by now. */
  default void onConnectionReused() {}

  /** Whether no connection will do that has served an earlier call. */
  default boolean isNewConnectionRequired() {
    return false;
  }

  /**
   * The server has refused the request as it was, and one more is about to be sent.
   *
   * @throws AttemptException if there may be no more
   */
  default void onResend() throws AttemptException {}

  /** The head of a reply has arrived that has an answer after it. */
  default void onReply() {}

  /** A piece of answer or thinking has arrived. */
  void onPiece();

  /** The text is whole. What may still follow is a count of tokens, or nothing at all. */
  default void onTextEnded() {}
}
