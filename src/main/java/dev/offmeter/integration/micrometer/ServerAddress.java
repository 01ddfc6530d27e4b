// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.micrometer;

import java.net.URI;

/**
 * Host and port of an origin as tag values.
 *
 * @param host the host; {@code none} for a function
 * @param port the port, the scheme's own where the origin has none; {@code none} for a function
 */
record ServerAddress(String host, String port) {
  private static final ServerAddress NONE = new ServerAddress(MeterNames.NONE, MeterNames.NONE);

  /** Returns the address of an origin, such as {@code https://llm.example.org}. */
  static ServerAddress of(String origin) {
    try {
      URI uri = new URI(origin);
      return uri.getHost() == null ? NONE : new ServerAddress(uri.getHost(), port(uri));
    } catch (java.net.URISyntaxException e) {
      return NONE;
    }
  }

  private static String port(URI uri) {
    if (uri.getPort() >= 0) {
      return Integer.toString(uri.getPort());
    }
    return "https".equals(uri.getScheme()) ? "443" : "80";
  }
}
