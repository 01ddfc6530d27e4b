// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.observe;

import java.time.Duration;

/**
 * Reports that requests wait longer for a first token than they did at the same endpoint when as
 * many of this client's calls were there. Immutable, so safe for use by many threads.
 *
 * @param endpoint the endpoint's name
 * @param origin scheme, host and port, without a path
 * @param inFlight calls of this client that were at the endpoint when the request was sent, itself
 *     included
 * @param waited the time from its dispatch to the first piece of its answer or thinking: of the
 *     last ten answers the one in the middle, each compared with its own load
 * @param usual the 95th percentile of that time in like load before, 500 ms at least
 * @param advice where to look and which setting helps, in words for an operator
 */
public record QueueAlert(
    String endpoint, String origin, int inFlight, Duration waited, Duration usual, String advice) {
  /** Returns one line to read, without the endpoint and the advice. */
  @Override
  public String toString() {
    return EndpointStatus.seconds(waited, 2)
        + " s to the first token with "
        + inFlight
        + " in flight, usually "
        + EndpointStatus.seconds(usual, 2)
        + " s at most";
  }
}
