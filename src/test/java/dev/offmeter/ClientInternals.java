// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import dev.offmeter.internal.http.EndpointConfig;
import dev.offmeter.internal.time.TimeSource;
import dev.offmeter.meter.Upkeep;
import java.util.Optional;
import java.util.concurrent.ExecutorService;

/** Gives tests in other packages access to package-private members of the root package. */
public final class ClientInternals {
  private ClientInternals() {}

  /** Returns a new builder whose client takes its time from {@code time}. */
  public static LlmClient.Builder builder(TimeSource time) {
    return LlmClient.builder().time(time);
  }

  /** Lets the client take its time from {@code time}. */
  public static LlmClient.Builder withTime(LlmClient.Builder builder, TimeSource time) {
    return builder.time(time);
  }

  /** Lets asynchronous calls of the client run on {@code workers}. */
  public static LlmClient.Builder withWorkers(LlmClient.Builder builder, ExecutorService workers) {
    return builder.workers(workers);
  }

  /** Returns the number of calls and streams that have begun and not ended. */
  public static int activeCalls(LlmClient client) {
    return client.runningCalls();
  }

  /** Returns the configuration of an endpoint at its place in a client's list. */
  public static EndpointConfig config(Endpoint endpoint, boolean firstOfMany) {
    return endpoint.toConfig(firstOfMany);
  }

  /** Returns what the machine of an endpoint costs, if that is declared. */
  public static Optional<Upkeep> upkeep(Endpoint endpoint) {
    return endpoint.upkeep();
  }
}
