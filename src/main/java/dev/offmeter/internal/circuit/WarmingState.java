// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.circuit;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import org.jspecify.annotations.Nullable;

/**
 * Holds whether the model of one endpoint is being loaded, and why the endpoint was DOWN when the
 * load began. Changed under the circuit breaker's lock; only {@link #end} and {@link #isActive} may
 * be called without it.
 */
final class WarmingState {
  private volatile boolean active;
  private @Nullable AttemptException failureBefore;

  boolean isActive() {
    return active;
  }

  /**
   * Begins.
   *
   * @param before why the endpoint is DOWN; null if it is UP
   */
  void begin(@Nullable AttemptException before) {
    failureBefore = before;
    active = true;
  }

  void end() {
    active = false;
  }

  /** Returns why the endpoint was DOWN when the last load began; null if it was UP. */
  @Nullable AttemptException failureBefore() {
    return failureBefore;
  }

  /**
   * Returns whether the endpoint required operator action before the load, which a loaded model
   * does not replace, unless the missing model was the reason.
   */
  boolean wasOpenUntilRepaired(FailureAssessor assessor) {
    AttemptException before = failureBefore;
    return before != null
        && before.kind() != FailureKind.MODEL_NOT_FOUND
        && assessor.effectOf(before) == HealthEffect.OPEN_UNTIL_REPAIRED;
  }
}
