// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import dev.offmeter.internal.AttemptException;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/**
 * A reply that is being read, on the thread that wants it and no faster than it wants it: what
 * nobody asks for stays in the socket, and the server waits. Not safe for use by several threads.
 */
public interface ReplyReader extends AutoCloseable {
  /**
   * Reads one more part and hands its pieces on; there may be none in it.
   *
   * @return how the answer ended; null while there is more to come
   * @throws AttemptException if it is no complete answer
   * @throws IOException if the connection ended
   */
  @Nullable StreamEnd next() throws AttemptException, IOException;

  /**
   * How many characters are kept until the answer ends, beside what was handed on: arguments of a
   * call that come in pieces, a text that is held back.
   */
  long kept();

  /** Lets go of buffers; the body is closed by whoever opened it. */
  @Override
  void close();
}
