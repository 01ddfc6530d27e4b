// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import dev.offmeter.internal.AttemptException;
import org.jspecify.annotations.Nullable;

/** One try at one endpoint. Used by the thread that wants the answer, but for {@link #cancel()}. */
public interface Exchange extends AutoCloseable {
  /**
   * Asks if that is still to be done, and reads one more part of the answer. Holds no clock of its
   * own: whoever reads calls {@link #cancel()} from another thread when time is up. Also ends at
   * once when the reading thread is interrupted.
   *
   * @return the whole answer; null while there is more to come
   * @throws AttemptException if there is no complete answer
   */
  @Nullable ExchangeResult next() throws AttemptException;

  /** What has come so far. */
  PartialAnswer partialAnswer();

  /** Ends {@link #next()} from any thread and closes the connection; else without effect. */
  void cancel();

  /**
   * Gives up a connection that had served an earlier call, if no byte of a reply has come over it,
   * and sends the request once more over a new one. From any thread, once.
   *
   * @return whether that is being done
   */
  default boolean resend() {
    return false;
  }

  /**
   * Whether it failed without a byte on a kept connection in a way that says nothing of the server:
   * the other end had closed it, or another of the same age had failed so before.
   */
  default boolean isConnectionSuspect() {
    return false;
  }

  /** Lets the connection go: back to the pool after a complete answer, else closed. */
  @Override
  void close();

  /**
   * Lets the connection go.
   *
   * @param nanos the longest that may be waited for the end of a reply whose answer is whole
   */
  default void close(long nanos) {
    close();
  }
}
