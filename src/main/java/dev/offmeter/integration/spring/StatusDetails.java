// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.spring;

import dev.offmeter.observe.EndpointStatus;
import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Values for a reply of the actuator: texts, numbers and maps only, because Spring Boot 3 and 4
 * write everything else differently, and a native image needs no hints for these.
 */
final class StatusDetails {
  private StatusDetails() {}

  /** Returns the status of one endpoint. */
  static Map<String, Object> of(EndpointStatus status) {
    Map<String, Object> details = new LinkedHashMap<>();
    details.put("state", status.state().name());
    details.put("asked", status.asked());
    if (!status.origin().isEmpty()) {
      details.put("origin", status.origin());
    }
    details.put("since", text(status.since()));
    status.cause().ifPresent(kind -> details.put("cause", kind.name()));
    if (!status.message().isEmpty()) {
      details.put("message", status.message());
    }
    status
        .nextHealthCheck()
        .ifPresent(left -> details.put("nextHealthCheckSeconds", seconds(left)));
    details.put("inFlight", status.inFlight());
    return details;
  }

  static String text(Instant instant) {
    return instant.toString();
  }

  static double seconds(Duration duration) {
    return duration.toMillis() / 1000.0;
  }
}
