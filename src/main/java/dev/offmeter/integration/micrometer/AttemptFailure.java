// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.micrometer;

import dev.offmeter.FailureKind;

/** The failure of an attempt as an observation's error, which must be an exception. */
final class AttemptFailure extends RuntimeException {
  private static final long serialVersionUID = 1L;

  AttemptFailure(FailureKind kind, String message) {
    super(kind + ": " + message, null, false, false);
  }
}
