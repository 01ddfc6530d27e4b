// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.micrometer;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Host and port of an origin as tag values.
 *
 * @param host the host; {@code none} for a function
 * @param port the port, the scheme's own where the origin has none; {@code none} for a function
 */
record ServerAddress(String host, String port) {
  private static final ServerAddress NONE = new ServerAddress(MeterNames.NONE, MeterNames.NONE);

  /** The URI class finds no host where it has an underscore, as services of Compose may. */
  private static final Pattern ORIGIN =
      Pattern.compile("(https?)://(\\[[^\\]]+]|[^:/]+)(?::(\\d+))?");

  /** Returns the address of an origin, such as {@code https://llm.example.org}. */
  static ServerAddress of(String origin) {
    Matcher parts = ORIGIN.matcher(origin);
    if (!parts.matches()) {
      return NONE;
    }
    String own = parts.group(1).equals("https") ? "443" : "80";
    String port = parts.group(3);
    return new ServerAddress(parts.group(2), port == null ? own : port);
  }
}
