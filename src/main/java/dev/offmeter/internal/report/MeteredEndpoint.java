// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.report;

import dev.offmeter.meter.Upkeep;
import java.util.Optional;

/**
 * An endpoint as the report knows it.
 *
 * @param name the endpoint's name
 * @param kind who answers there
 * @param upkeep what the machine costs, if that is declared
 */
public record MeteredEndpoint(String name, Kind kind, Optional<Upkeep> upkeep) {
  /** The kinds of endpoints, by who answers. */
  public enum Kind {
    /** A server on own hardware. */
    OWN("own hardware"),
    /** A server of somebody else. */
    MANAGED("managed"),
    /** A function in the process: no model answers. */
    FUNCTION("function");

    private final String words;

    Kind(String words) {
      this.words = words;
    }

    String words() {
      return words;
    }
  }
}
