// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.observe;

import java.util.List;

/**
 * The state of all endpoints of a client, in the order of preference.
 *
 * @param endpoints the status of each endpoint
 */
public record ClientStatus(List<EndpointStatus> endpoints) {
  /** Copies the list. */
  public ClientStatus {
    endpoints = List.copyOf(endpoints);
  }

  /**
   * Returns a table to read, one line for each endpoint. Two columns are in seconds, each as median
   * and 95th percentile of the last answers; contexts and capabilities have a column each if any is
   * known. A {@code -} stands for none.
   */
  @Override
  public String toString() {
    return new StatusTable(endpoints).toString();
  }
}
