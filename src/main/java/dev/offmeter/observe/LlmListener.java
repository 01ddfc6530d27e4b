// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.observe;

import dev.offmeter.Attempt;
import dev.offmeter.ChatResponse;
import dev.offmeter.LlmException;
import java.util.Map;

/**
 * Hears what a client does. Every method does nothing by default.
 *
 * <ul>
 *   <li>Each {@link #onCallStarted} is followed by exactly one {@link #onCallAnswered} or {@link
 *       #onCallFailed} of the same call.
 *   <li>Between them, each {@link #onAttemptStarted} is followed by exactly one {@link
 *       #onAttemptEnded}, and an endpoint that is passed over gives an {@link #onAttemptSkipped}.
 *   <li>{@link #onEndpointChanged} belongs to no call.
 * </ul>
 *
 * <p>Methods are called on the thread that runs the call (for a stream, that is its reader's, or
 * the one that closes it; for a change that a health check brings and for a second endpoint that is
 * asked beside the first, one of the client's own), by many threads at once: be thread-safe and
 * quick. Those of one call come one at a time; with hedging, two of its attempts may be under way.
 * The time that a method takes is the call's, and no clock can end it. What a method throws is
 * logged and otherwise ignored.
 */
public interface LlmListener {
  /**
   * A call begins.
   *
   * @param call a number that tells this client's calls apart
   * @param tags the request's labels
   */
  default void onCallStarted(long call, Map<String, String> tags) {}

  /** An endpoint is about to be asked. */
  default void onAttemptStarted(long call, String endpoint, String model) {}

  /** An endpoint has answered or failed. */
  default void onAttemptEnded(long call, Attempt attempt) {}

  /**
   * An endpoint was not asked: it is known to be down or loads its model, its places or its
   * requests of the minute are taken, the request must not be sent there, or there is no time left.
   */
  default void onAttemptSkipped(long call, Attempt attempt) {}

  /** The call moves on from a failed or skipped attempt to the endpoint named {@code next}. */
  default void onFallback(long call, Attempt attempt, String next) {}

  /** The call ends with an answer. */
  default void onCallAnswered(long call, ChatResponse response) {}

  /** The call ends with an exception. */
  default void onCallFailed(long call, LlmException exception) {}

  /** An endpoint went down, warms its model, is on trial, or is up again. */
  default void onEndpointChanged(EndpointChange change) {}
}
