// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import dev.offmeter.internal.AttemptException;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/**
 * Reads a reply on the thread that wants it and no faster than it is wanted: the rest stays in the
 * socket, and the server waits. Not safe for use by several threads.
 */
public interface ReplyReader extends AutoCloseable {
  /**
   * Reads one more part and hands on its deltas, of which there may be none.
   *
   * @return how the answer ended; null while there is more to come
   * @throws AttemptException if it is no complete answer
   * @throws IOException if the connection ended
   */
  @Nullable StreamEnd next() throws AttemptException, IOException;

  /**
   * Returns how many characters are kept until the answer ends, beside the deltas: arguments of a
   * tool call that come in parts, a text that is held back.
   */
  long kept();

  /** Releases buffers; whoever opened the body closes it. */
  @Override
  void close();
}
