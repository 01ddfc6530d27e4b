// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import dev.offmeter.ChatRequest;
import okhttp3.Request;
import okhttp3.ResponseBody;

/** How one kind of server is asked and how its reply is read. Immutable and thread-safe. */
public interface Protocol {
  /** The request as HTTP: URL, method, body and {@code Accept}; credentials are added by others. */
  Request.Builder request(ChatRequest request);

  /** Begins to read the body of an HTTP 200 to {@code request}, handing on each piece. */
  Reading read(ChatRequest request, ResponseBody body, Pieces pieces);

  /** What a reply with any other status means. */
  Failure refused(Reply reply);

  /** How such a server is looked at on the side. */
  default Checks checks() {
    return Checks.NONE;
  }
}
