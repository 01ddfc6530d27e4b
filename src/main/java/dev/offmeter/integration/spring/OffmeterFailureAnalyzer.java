// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.spring;

import org.springframework.boot.diagnostics.AbstractFailureAnalyzer;
import org.springframework.boot.diagnostics.FailureAnalysis;

/** Reports a mistake in the properties without a stack trace. */
final class OffmeterFailureAnalyzer
    extends AbstractFailureAnalyzer<OffmeterConfigurationException> {
  private static final String ACTION =
      "Correct the property, or remove it to get its default. All properties are described at"
          + " https://github.com/offmeter/offmeter/blob/main/docs/spring.md#properties";

  @Override
  protected FailureAnalysis analyze(Throwable root, OffmeterConfigurationException cause) {
    String origin = cause.origin() == null ? "" : "\n\n    Origin: " + cause.origin();
    return new FailureAnalysis(cause.getMessage() + origin, ACTION, cause);
  }
}
