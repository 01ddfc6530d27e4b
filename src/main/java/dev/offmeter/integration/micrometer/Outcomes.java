// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.micrometer;

import dev.offmeter.Attempt;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmException;

/** Says how attempts and calls ended, as values of tags. */
final class Outcomes {
  private Outcomes() {}

  /** Returns {@link MeterNames#ANSWERED}, or the failure kind of an attempt. */
  static String of(Attempt attempt) {
    return attempt.failure().map(FailureKind::name).orElse(MeterNames.ANSWERED);
  }

  /** Returns the failure kind of a call, or the class of its exception if there is none. */
  static String error(LlmException exception) {
    return exception
        .failure()
        .map(FailureKind::name)
        .orElseGet(() -> exception.getClass().getSimpleName());
  }
}
