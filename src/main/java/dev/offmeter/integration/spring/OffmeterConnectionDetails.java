// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.spring;

import org.springframework.boot.autoconfigure.service.connection.ConnectionDetails;

/**
 * The address of one endpoint, where something else than a property knows it, such as Docker
 * Compose, a container of a test or the test itself. It replaces the endpoint's {@code url}; all
 * other settings stay. Of several beans for one endpoint the first in order holds.
 */
@SuppressWarnings("exports")
public interface OffmeterConnectionDetails extends ConnectionDetails {
  /**
   * Returns the name of the endpoint: its {@code offmeter.endpoints[].name}, or {@code primary} or
   * {@code fallback} of the simple scheme. A name that is not configured fails the start.
   */
  String endpoint();

  /** Returns the address of the server's root, absolute, with http or https. */
  String url();
}
