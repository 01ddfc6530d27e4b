// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testkit;

import dev.offmeter.Endpoint;
import java.util.List;
import java.util.function.BiFunction;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/** Ties a server to the life of a test class, or of one test if it is in an instance field. */
final class JUnitFakeLlm extends FakeLlm
    implements BeforeAllCallback, BeforeEachCallback, AfterEachCallback, AfterAllCallback {
  /** The test class and those nested in it that are being run: 0 in an instance field. */
  private int classes;

  private CallHandler.@Nullable Setup before;

  JUnitFakeLlm(List<Api> apis, BiFunction<String, String, Endpoint.Builder> endpoint) {
    super(apis, endpoint);
  }

  /** Opens again the port of a field that several classes inherit, each of which closes it. */
  @Override
  public synchronized void beforeAll(ExtensionContext context) {
    classes++;
    open();
  }

  @Override
  public synchronized void beforeEach(ExtensionContext context) {
    before = setup();
  }

  @Override
  public synchronized void afterEach(ExtensionContext context) {
    if (classes == 0) {
      close();
    } else if (before != null) {
      goBackTo(before);
    }
  }

  @Override
  public synchronized void afterAll(ExtensionContext context) {
    if (--classes == 0) {
      close();
    }
  }
}
