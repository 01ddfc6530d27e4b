// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import dev.offmeter.ChatRequest;
import dev.offmeter.FailureKind;
import dev.offmeter.Locality;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.http.EndpointConfig;

/** The one place that decides whether a request may be sent to an endpoint at all. */
final class LocalityPolicy {
  private LocalityPolicy() {}

  /** Whatever is not known to be self-hosted is not: a locality that is yet to come included. */
  static boolean isPermitted(ChatRequest request, EndpointConfig config) {
    return !request.selfHostedOnly() || config.locality() == Locality.SELF_HOSTED;
  }

  /**
   * Turns the request away.
   *
   * @throws AttemptException if the request may not be sent there
   */
  static void requirePermitted(ChatRequest request, EndpointConfig config) throws AttemptException {
    if (!isPermitted(request, config)) {
      throw AttemptException.of(
          FailureKind.NOT_PERMITTED,
          "a managed endpoint, and the request is for self-hosted ones only");
    }
  }
}
