// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import dev.offmeter.Usage;
import dev.offmeter.internal.AttemptException;
import org.jspecify.annotations.Nullable;

/**
 * Performs one attempt at one endpoint. Used by the thread that wants the answer, except for {@link
 * #cancel()} and {@link #resend()}.
 */
public interface Exchange extends AutoCloseable {
  /**
   * Sends the request if that has not been done, and reads one more part of the answer. Has no
   * timeout: the reader's timer calls {@link #cancel()} from another thread. Also ends at once when
   * the reading thread is interrupted.
   *
   * @return the whole answer; null while there is more to come
   * @throws AttemptException if there is no complete answer
   */
  @Nullable ExchangeResult next() throws AttemptException;

  /** Returns the part of the answer that has arrived. */
  PartialAnswer partialAnswer();

  /**
   * Returns the usage that the server has reported for its reply, also if the reply was then found
   * to be no answer; {@link Usage#NONE} as long as it has reported none.
   */
  default Usage usage() {
    return Usage.NONE;
  }

  /** Ends {@link #next()} from any thread and closes the connection; otherwise without effect. */
  void cancel();

  /**
   * Abandons a reused connection over which no byte of a reply has come, and sends the request once
   * more over a new one. From any thread, at most once.
   *
   * @return whether the request is sent again
   */
  default boolean resend() {
    return false;
  }

  /**
   * Returns whether the exchange failed without a byte on a reused connection in a way that says
   * nothing about the server: the other end had closed it, or another of the same age had failed so
   * before.
   */
  default boolean isConnectionSuspect() {
    return false;
  }

  /** Releases the connection: to the pool after a complete answer, else it is closed. */
  @Override
  void close();

  /**
   * Releases the connection.
   *
   * @param nanos the longest to wait for the end of a reply whose answer is complete
   */
  default void close(long nanos) {
    close();
  }
}
