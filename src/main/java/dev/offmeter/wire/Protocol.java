// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import dev.offmeter.ChatRequest;
import okhttp3.Request;
import okhttp3.ResponseBody;
import org.jspecify.annotations.Nullable;

/** How one server is asked and how its reply is read. Safe for use by many threads. */
public interface Protocol {
  /** The request as HTTP: URL, method, body and {@code Accept}; credentials are added by others. */
  Request.Builder request(ChatRequest request);

  /** Begins to read the body of an HTTP 200 to {@code request}, handing on each piece. */
  Reading read(ChatRequest request, ResponseBody body, Pieces pieces);

  /** Whether the server is told how long the answer may be. */
  default boolean limitsOutput() {
    return true;
  }

  /** What a reply with any other status means. */
  Failure refused(Reply reply);

  /**
   * How a request that was refused may be made acceptable: without a field that the server does not
   * take, or at another path.
   *
   * @param refusal the reply; of an error after HTTP 200 its words alone
   * @param known whether the server has answered before, so that its path is the right one
   * @return null if there is no such way
   */
  default @Nullable Adaptation adapted(ChatRequest request, Reply refusal, boolean known) {
    return null;
  }

  /** How such a server is looked at on the side. */
  default Checks checks() {
    return Checks.NONE;
  }

  /**
   * Another way to ask a server that has refused the usual one.
   *
   * @param protocol asks so
   * @param change in what it differs, in words for a log
   */
  record Adaptation(Protocol protocol, String change) {}
}
