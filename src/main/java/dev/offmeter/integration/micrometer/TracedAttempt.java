// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.micrometer;

import dev.offmeter.Attempt;
import dev.offmeter.observe.LlmListener;
import io.micrometer.observation.Observation;
import io.micrometer.observation.ObservationRegistry;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The observation of an attempt. Another thread may end it, that of the endpoint that answered
 * first, while its scope is open on its own; the last of the two stops the observation.
 */
final class TracedAttempt {
  private final Observation observation;
  private final ObservationRegistry registry;
  private final ReentrantLock lock = new ReentrantLock();

  // Guarded by the lock.

  private boolean open;
  private boolean ended;

  TracedAttempt(Observation observation, ObservationRegistry registry) {
    this.observation = observation;
    this.registry = registry;
  }

  /** Makes it the current observation of this thread. */
  LlmListener.Scope openScope() {
    lock.lock();
    try {
      if (ended) {
        return LlmListener.Scope.NONE;
      }
      LlmListener.Scope scope = CurrentObservation.open(observation, registry);
      open = true;
      return () -> close(scope);
    } finally {
      lock.unlock();
    }
  }

  private void close(LlmListener.Scope scope) {
    try {
      scope.close();
    } finally {
      onClosed();
    }
  }

  private void onClosed() {
    lock.lock();
    try {
      open = false;
      if (ended) {
        observation.stop();
      }
    } finally {
      lock.unlock();
    }
  }

  /** Notes how it ended. */
  void end(Attempt attempt) {
    lock.lock();
    try {
      describe(attempt);
      ended = true;
      if (!open) {
        observation.stop();
      }
    } finally {
      lock.unlock();
    }
  }

  private void describe(Attempt attempt) {
    observation.lowCardinalityKeyValue(MeterNames.OUTCOME, Outcomes.of(attempt));
    ServerAddress server = ServerAddress.of(attempt.origin());
    observation
        .highCardinalityKeyValue(MeterNames.SERVER_ADDRESS, server.host())
        .highCardinalityKeyValue(MeterNames.SERVER_PORT, server.port());
    attempt
        .status()
        .ifPresent(
            status ->
                observation.highCardinalityKeyValue(
                    MeterNames.HTTP_STATUS, Integer.toString(status)));
    attempt
        .failure()
        .ifPresent(kind -> observation.error(new AttemptFailure(kind, attempt.message())));
  }
}
