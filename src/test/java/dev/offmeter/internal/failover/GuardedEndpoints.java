// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import dev.offmeter.ChatRequest;
import dev.offmeter.ClientInternals;
import dev.offmeter.Endpoint;
import dev.offmeter.internal.budget.CallBudgets;
import dev.offmeter.internal.health.HealthCheckInterval;
import dev.offmeter.internal.http.AttemptTimeouts;
import dev.offmeter.internal.http.EndpointConfig;
import dev.offmeter.internal.http.Transport;
import dev.offmeter.internal.time.CancellationToken;
import dev.offmeter.internal.time.TimeSource;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.testing.Metering;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Executor;

/** Creates endpoints that back off for 15 s after each failure, and the context of a call there. */
final class GuardedEndpoints {
  private static final Duration LIMIT = Duration.ofSeconds(15);

  static final AttemptTimeouts TIMEOUTS =
      new AttemptTimeouts(LIMIT, LIMIT, LIMIT, LIMIT, LIMIT, null);

  /** Fails the test that opens an exchange. */
  static final Transport.ExchangeFactory NEVER_ASKED =
      (request, listener) -> {
        throw new AssertionError("nothing is asked here");
      };

  private GuardedEndpoints() {}

  /** Returns an endpoint that is asked about and never asked. */
  static GuardedEndpoint of(TimeSource time, Endpoint endpoint) {
    return of(time, ClientInternals.config(endpoint, false), new AdmissionQueue(time));
  }

  /** Returns an endpoint that is asked about and never asked. */
  static GuardedEndpoint of(TimeSource time, EndpointConfig config, AdmissionQueue admissionQueue) {
    return of(time, config, NEVER_ASKED, admissionQueue, Runnable::run);
  }

  static GuardedEndpoint of(
      TimeSource time,
      EndpointConfig config,
      Transport.ExchangeFactory exchangeFactory,
      AdmissionQueue admissionQueue,
      Executor workers) {
    return new GuardedEndpoint(
        config,
        exchangeFactory,
        new GuardedEndpoint.SharedResources(
            time,
            workers,
            (effect, inARow, asked) -> LIMIT,
            new HealthCheckInterval(() -> 0.5),
            FailoverExecutor.emptyRegistries(),
            admissionQueue,
            change -> {},
            alert -> {}));
  }

  /** Returns the context of a call that knows one endpoint. */
  static CallContext contextOf(
      GuardedEndpoint endpoint,
      TimeSource time,
      Duration limit,
      AdmissionQueue admissionQueue,
      CancellationToken token,
      LlmListener listener) {
    ChatRequest request = ChatRequest.builder().user("a reminder").build();
    return new CallContext(
        List.of(endpoint),
        request,
        Deadline.setAt(time, time.nanos(), limit),
        token,
        new CallRecorder(1, request, false, time, listener, Metering.meter(time)),
        StreamSink.NONE,
        AnswerValidator.ANY,
        time,
        CallBudgets.NONE,
        admissionQueue);
  }
}
