// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import java.util.List;

/**
 * Signals that a call was not made because its session had sent the same conversation as often as
 * {@link LlmClient.Builder#maxRepeatsPerSession} allows. No endpoint was asked, so that {@link
 * #attempts()} is empty. The message names the session, the count and the limit, and holds nothing
 * of the conversation.
 */
public final class LoopDetectedException extends LlmException {
  private static final long serialVersionUID = 1L;

  private final String session;
  private final int count;
  private final int limit;

  LoopDetectedException(String session, int count, int limit) {
    super(
        "the same conversation must not be sent more than "
            + limit
            + " times in session '"
            + session
            + "' (maxRepeatsPerSession), was asked for "
            + count
            + " times; see "
            + AllEndpointsFailedException.GUIDE
            + "loop-detected",
        List.of());
    this.session = session;
    this.count = count;
    this.limit = limit;
  }

  /** Returns the session of the request. */
  public String session() {
    return session;
  }

  /** Returns how often the conversation was asked for in the session, this time included. */
  public int count() {
    return count;
  }

  /** Returns how often it may be sent. */
  public int limit() {
    return limit;
  }
}
