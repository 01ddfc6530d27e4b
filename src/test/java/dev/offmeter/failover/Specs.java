// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.ChatRequest;
import dev.offmeter.Locality;
import dev.offmeter.endpoint.EndpointSpec;
import dev.offmeter.endpoint.Limits;
import java.time.Duration;
import java.util.List;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** Self-hosted endpoints whose exchanges a test makes itself. */
final class Specs {
  private Specs() {}

  static EndpointSpec server(String name, Limits limits, int maxConcurrent) {
    return of(name, "m", limits, maxConcurrent, null);
  }

  static EndpointSpec function(
      String name, Limits limits, int maxConcurrent, Function<ChatRequest, String> function) {
    return of(name, "", limits, maxConcurrent, function);
  }

  private static EndpointSpec of(
      String name,
      String model,
      Limits limits,
      int maxConcurrent,
      @Nullable Function<ChatRequest, String> function) {
    return new EndpointSpec(
        name,
        function == null ? "http://127.0.0.1:11434" : "",
        model,
        Locality.SELF_HOSTED,
        true,
        limits,
        maxConcurrent,
        Integer.MAX_VALUE,
        Duration.ZERO,
        false,
        false,
        Duration.ofMinutes(5),
        0,
        UnaryOperator.identity(),
        List.of(),
        null,
        function,
        false,
        List.of());
  }
}
