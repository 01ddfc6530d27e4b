// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.micrometer;

import io.micrometer.observation.transport.Kind;
import io.micrometer.observation.transport.SenderContext;

/**
 * The context of a call, whose span is to be of the kind CLIENT. The headers of a trace are put
 * into requests by interceptors of the HTTP client, so what a tracer puts here goes nowhere.
 */
final class ClientContext extends SenderContext<Object> {
  ClientContext() {
    super((carrier, key, value) -> {}, Kind.CLIENT);
    setCarrier(this);
  }
}
