// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.spring;

import org.jspecify.annotations.Nullable;
import org.springframework.boot.origin.Origin;

/** Says what is wrong with the properties, in their names. */
final class OffmeterConfigurationException extends IllegalStateException {
  private static final long serialVersionUID = 1;

  private final transient @Nullable Origin origin;

  OffmeterConfigurationException(
      String message, @Nullable Origin origin, @Nullable Throwable cause) {
    super(message, cause);
    this.origin = origin;
  }

  /** Returns the place of the first property that the message names, if known. */
  @Nullable Origin origin() {
    return origin;
  }
}
