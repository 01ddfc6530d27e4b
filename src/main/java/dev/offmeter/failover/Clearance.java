// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.ChatRequest;
import dev.offmeter.FailureKind;
import dev.offmeter.Locality;
import dev.offmeter.endpoint.EndpointSpec;
import dev.offmeter.wire.Failure;

/** The one place that decides whether a request may be sent to an endpoint at all. */
final class Clearance {
  private Clearance() {}

  /** Whatever is not known to be self-hosted is not: a locality that is yet to come included. */
  static boolean permits(ChatRequest request, EndpointSpec spec) {
    return !request.selfHostedOnly() || spec.locality() == Locality.SELF_HOSTED;
  }

  /**
   * Turns the request away.
   *
   * @throws Failure if the request may not be sent there
   */
  static void check(ChatRequest request, EndpointSpec spec) throws Failure {
    if (!permits(request, spec)) {
      throw Failure.of(
          FailureKind.NOT_PERMITTED,
          "a managed endpoint, and the request is for self-hosted ones only");
    }
  }
}
