// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import dev.offmeter.internal.AttemptException;

/** Receives the progress of an exchange, on the thread that runs it. */
public interface ExchangeListener {
  /** Called before a connection is looked for. */
  void onConnecting();

  /** Called when there is a connection, new or reused. */
  void onConnected();

  /**
   * Called when the connection has served an earlier call, so that the server may have closed it by
   * now.
   */
  default void onConnectionReused() {}

  /** Returns whether the exchange needs a new connection, not a reused one. */
  default boolean isNewConnectionRequired() {
    return false;
  }

  /**
   * Returns whether the exchange has been given up, and counted as one that did not reach the
   * server: then nothing may be sent. Asked when the connection is there.
   */
  default boolean isGivenUp() {
    return false;
  }

  /**
   * Called when the server has refused the request and another is about to be sent.
   *
   * @throws AttemptException if none may be sent
   */
  default void onResend() throws AttemptException {}

  /** Called when the head of a reply has arrived that has an answer after it. */
  default void onReply() {}

  /** Called for each piece of answer or thinking: a delta that is not empty. */
  void onDelta();

  /** Called when the text is complete. Only the count of tokens may follow. */
  default void onTextEnded() {}
}
