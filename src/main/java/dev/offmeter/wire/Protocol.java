// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import dev.offmeter.ChatRequest;
import java.io.IOException;
import okhttp3.Request;
import okhttp3.ResponseBody;

/** How one kind of server is asked and how its reply is read. Immutable and thread-safe. */
public interface Protocol {
  /** The request as HTTP: URL, method, body and {@code Accept}; credentials are added by others. */
  Request.Builder request(ChatRequest request);

  /**
   * Reads the body of an HTTP 200 to the end of the answer, handing each piece to {@code pieces}.
   *
   * @return how the answer ended
   * @throws Failure if it is no complete answer
   * @throws IOException if the connection ended
   */
  Ending read(ResponseBody body, Pieces pieces) throws Failure, IOException;

  /** What a reply with any other status means. */
  Failure refused(Reply reply);
}
