// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testing;

import dev.offmeter.ChatRequest;
import dev.offmeter.Locality;
import dev.offmeter.internal.http.AttemptTimeouts;
import dev.offmeter.internal.http.EndpointConfig;
import dev.offmeter.internal.wire.ModelTraits;
import dev.offmeter.meter.Price;
import java.time.Duration;
import java.util.List;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** Creates configurations of self-hosted endpoints whose exchanges a test makes itself. */
public final class EndpointConfigs {
  private EndpointConfigs() {}

  public static EndpointConfig server(String name, AttemptTimeouts timeouts, int maxConcurrent) {
    return server(name, timeouts, maxConcurrent, UnaryOperator.identity());
  }

  /** Returns one whose requests get these defaults. */
  public static EndpointConfig server(
      String name,
      AttemptTimeouts timeouts,
      int maxConcurrent,
      UnaryOperator<ChatRequest> defaults) {
    return of(name, "m", timeouts, maxConcurrent, defaults, null);
  }

  public static EndpointConfig function(
      String name,
      AttemptTimeouts timeouts,
      int maxConcurrent,
      Function<ChatRequest, String> function) {
    return of(name, "", timeouts, maxConcurrent, UnaryOperator.identity(), function);
  }

  private static EndpointConfig of(
      String name,
      String model,
      AttemptTimeouts timeouts,
      int maxConcurrent,
      UnaryOperator<ChatRequest> defaults,
      @Nullable Function<ChatRequest, String> function) {
    return new EndpointConfig(
        name,
        function == null ? "http://127.0.0.1:11434" : "",
        model,
        Locality.SELF_HOSTED,
        true,
        ModelTraits.UNKNOWN,
        timeouts,
        maxConcurrent,
        Integer.MAX_VALUE,
        Duration.ZERO,
        false,
        false,
        Duration.ofMinutes(5),
        0,
        defaults,
        List.of(),
        null,
        function,
        false,
        List.of(),
        Price.free());
  }
}
