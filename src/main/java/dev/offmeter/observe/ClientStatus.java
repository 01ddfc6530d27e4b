// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.observe;

import java.util.List;

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

  /**
   * Returns a table for a person, one line for each. The last two columns of figures are in
   * seconds, each as median and 95th percentile of the last answers; a {@code -} stands for none.
   */
  @Override
  public String toString() {
    return new StatusTable(endpoints).toString();
  }
}
