// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testkit;

import dev.offmeter.Endpoint;
import java.util.List;
import java.util.function.BiFunction;

/** Finds out whether JUnit's extensions can be loaded. */
final class JUnitPresence {
  static final boolean IS_THERE = isThere();

  private JUnitPresence() {}

  private static boolean isThere() {
    try {
      Class.forName(
          "org.junit.jupiter.api.extension.BeforeEachCallback",
          false,
          JUnitPresence.class.getClassLoader());
      return true;
    } catch (ClassNotFoundException | LinkageError e) {
      return false;
    }
  }

  /** Is loaded only where JUnit is: a verifier loads what a method returns as something else. */
  static final class Extensions {
    private Extensions() {}

    static FakeLlm create(List<Api> apis, BiFunction<String, String, Endpoint.Builder> endpoint) {
      return new JUnitFakeLlm(apis, endpoint);
    }
  }
}
