// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.circuit;

import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import java.util.EnumSet;
import java.util.Set;
import java.util.function.Function;

/**
 * Decides how a failure counts for the health of one endpoint. That depends on whether the endpoint
 * has ever been healthy: its path and model are known to be right then. Safe for use by many
 * threads.
 */
final class FailureAssessor {
  /** Failures that count as an outage of an endpoint that has been healthy. */
  private static final Set<FailureKind> OUTAGE_ONCE_HEALTHY =
      EnumSet.of(FailureKind.PATH_NOT_FOUND, FailureKind.MODEL_NOT_FOUND);

  private final Function<FailureKind, HealthEffect> effects;

  /** Only ever set to true, by any thread. */
  private volatile boolean everHealthy;

  /** Creates an assessor for an endpoint that has not been healthy yet. */
  FailureAssessor(Function<FailureKind, HealthEffect> effects) {
    this.effects = effects;
  }

  /** Called when the endpoint has answered, or was seen to recover. */
  void onHealthy() {
    // Read before it is written: an unconditional write by every call would make callers contend.
    if (!everHealthy) {
      everHealthy = true;
    }
  }

  boolean hasBeenHealthy() {
    return everHealthy;
  }

  HealthEffect effectOf(AttemptException failure) {
    if (failure.isBlameless()) {
      return HealthEffect.NONE;
    }
    return everHealthy && OUTAGE_ONCE_HEALTHY.contains(failure.kind())
        ? HealthEffect.OPEN
        : effects.apply(failure.kind());
  }

  /**
   * Returns whether the outage is likely to be short: a router answers so while a model is being
   * loaded, although its own health check passes.
   */
  boolean isLikelyBrief(AttemptException failure) {
    HealthEffect effect = effectOf(failure);
    boolean ofServer = effect == HealthEffect.COUNT_FAILURE || effect == HealthEffect.COOL_DOWN;
    return (ofServer && failure.status() >= 500)
        || (effect == HealthEffect.OPEN && OUTAGE_ONCE_HEALTHY.contains(failure.kind()));
  }
}
