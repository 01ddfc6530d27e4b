// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.micrometer;

import dev.offmeter.observe.LlmListener;
import io.micrometer.observation.Observation;
import io.micrometer.observation.ObservationRegistry;
import org.jspecify.annotations.Nullable;

/**
 * Makes an observation the current one of a thread for a while. A handler that throws when it hears
 * of that would leave it there for whatever the thread does next, other callers' work included.
 */
final class CurrentObservation {
  private CurrentObservation() {}

  static LlmListener.Scope open(Observation observation, ObservationRegistry registry) {
    Observation.@Nullable Scope before = registry.getCurrentObservationScope();
    try {
      Observation.Scope scope = observation.openScope();
      return () -> close(scope, before, registry);
    } catch (RuntimeException | Error e) {
      registry.setCurrentObservationScope(before);
      throw e;
    }
  }

  private static void close(
      Observation.Scope scope, Observation.@Nullable Scope before, ObservationRegistry registry) {
    try {
      scope.close();
    } finally {
      registry.setCurrentObservationScope(before);
    }
  }
}
