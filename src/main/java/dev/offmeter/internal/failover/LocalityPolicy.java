// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import dev.offmeter.ChatRequest;
import dev.offmeter.FailureKind;
import dev.offmeter.Locality;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.http.EndpointConfig;

/**
 * Decides whether a request may be sent to an endpoint at all. This is the only place that does.
 */
final class LocalityPolicy {
  private LocalityPolicy() {}

  /**
   * Returns whether the request may be sent. A locality that is not known to be self-hosted is not,
   * so a constant added later fails closed.
   */
  static boolean isPermitted(ChatRequest request, EndpointConfig config) {
    return !request.selfHostedOnly() || config.locality() == Locality.SELF_HOSTED;
  }

  /**
   * Rejects a request that may not be sent.
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
