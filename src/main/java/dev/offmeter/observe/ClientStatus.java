// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.observe;

import java.util.List;
import java.util.stream.Collectors;

/**
 * How all endpoints of a client are, in the order of preference.
 *
 * @param endpoints one of each
 */
public record ClientStatus(List<EndpointStatus> endpoints) {
  /** A copy. */
  public ClientStatus {
    endpoints = List.copyOf(endpoints);
  }

  /** One line for each endpoint. */
  @Override
  public String toString() {
    return endpoints.stream().map(EndpointStatus::toString).collect(Collectors.joining("\n"));
  }
}
