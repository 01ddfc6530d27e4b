// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import dev.offmeter.ClientInternals;
import dev.offmeter.Endpoint;
import dev.offmeter.internal.health.HealthCheckInterval;
import dev.offmeter.testing.ManualTime;
import java.time.Duration;

/** Endpoints that are asked about and never asked. */
final class GuardedEndpoints {
  private GuardedEndpoints() {}

  /** Returns an endpoint that backs off for 15 s after each failure. */
  static GuardedEndpoint of(ManualTime time, Endpoint endpoint) {
    return new GuardedEndpoint(
        ClientInternals.config(endpoint, false),
        (request, listener) -> {
          throw new AssertionError("nothing is asked here");
        },
        new GuardedEndpoint.SharedResources(
            time,
            Runnable::run,
            (effect, inARow, asked) -> Duration.ofSeconds(15),
            new HealthCheckInterval(() -> 0.5),
            FailoverExecutor.emptyRegistries(),
            new AdmissionQueue(time),
            change -> {}));
  }
}
