// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import dev.offmeter.Attempt;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmException;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.UserCode;
import dev.offmeter.internal.circuit.EndpointCircuitBreaker;
import dev.offmeter.internal.circuit.ExponentialBackoff;
import dev.offmeter.internal.health.HealthCheckInterval;
import dev.offmeter.internal.http.EndpointConfig;
import dev.offmeter.internal.http.Transport;
import dev.offmeter.internal.time.CancellationToken;
import dev.offmeter.internal.time.TimeSource;
import dev.offmeter.observe.ClientStatus;
import dev.offmeter.observe.Diagnosis;
import dev.offmeter.observe.EndpointStatus;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.observe.Resilience4jRegistries;
import io.github.resilience4j.bulkhead.BulkheadRegistry;
import io.github.resilience4j.circuitbreaker.CircuitBreakerRegistry;
import io.github.resilience4j.timelimiter.TimeLimiterRegistry;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.function.DoubleSupplier;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Calls over an ordered list of endpoints. Safe for use by many threads.
 *
 * <p>The loop is in {@link FailoverCall}; what a failure means stands in {@link FailurePolicy}; how
 * time is shared out, in {@link Deadline}; how one attempt is bounded, in {@link TimedAttempt}; who
 * may ask an endpoint at all, in {@link GuardedEndpoint} and its {@link EndpointCircuitBreaker}.
 */
public final class FailoverExecutor implements AutoCloseable {
  private static final String NOT_STARTED =
      "the deadline left no time for it: it passed before a thread had begun the call";

  private final List<GuardedEndpoint> endpoints;
  private final Resilience4jRegistries registries = emptyRegistries();
  private final FailoverCall.CallContext context;
  private final LlmListener listener;
  private final @Nullable HedgingPolicy hedgingPolicy;
  private final AtomicLong calls = new AtomicLong();

  static Resilience4jRegistries emptyRegistries() {
    return new Resilience4jRegistries(
        CircuitBreakerRegistry.ofDefaults(),
        TimeLimiterRegistry.ofDefaults(),
        BulkheadRegistry.ofDefaults());
  }

  /**
   * A loop over the endpoints, in order of preference.
   *
   * @param openers how each is reached
   * @param workers runs what is asked on the side
   * @param random numbers from 0 to 1, for jitter
   * @param hedgingPolicy when a second endpoint is asked, null for never
   * @param listener hears of everything; must not throw
   */
  public FailoverExecutor(
      List<EndpointConfig> endpoints,
      Function<EndpointConfig, Transport.ExchangeFactory> openers,
      TimeSource time,
      Executor workers,
      DoubleSupplier random,
      @Nullable HedgingPolicy hedgingPolicy,
      LlmListener listener) {
    this.hedgingPolicy = hedgingPolicy;
    this.listener = listener;
    AdmissionQueue admissionQueue = new AdmissionQueue(time);
    this.context = new FailoverCall.CallContext(time, new RetryPolicy(time), admissionQueue);
    GuardedEndpoint.SharedResources shared =
        new GuardedEndpoint.SharedResources(
            time,
            workers,
            new ExponentialBackoff(random),
            new HealthCheckInterval(random),
            registries,
            admissionQueue,
            listener::onEndpointChanged);
    List<GuardedEndpoint> all = new ArrayList<>();
    for (EndpointConfig config : endpoints) {
      all.add(new GuardedEndpoint(config, openers.apply(config), shared));
    }
    this.endpoints = List.copyOf(all);
  }

  /** Returns how the endpoints are. */
  public ClientStatus status() {
    return new ClientStatus(endpoints.stream().map(GuardedEndpoint::status).toList());
  }

  /**
   * Looks at every endpoint that can be looked at, and has the models loaded that are not.
   *
   * @return completed when that is done, never exceptionally
   */
  public CompletableFuture<ClientStatus> warmUp() {
    CompletableFuture<?>[] all =
        endpoints.stream()
            .map(endpoint -> endpoint.health().warmUp())
            .toArray(CompletableFuture[]::new);
    // What a client that is being closed can no longer do is no failure of the caller's.
    return CompletableFuture.allOf(all).handle((done, unable) -> status());
  }

  /**
   * Asks an endpoint at once whether it is repaired.
   *
   * @return completed when that is decided, with how it is then
   * @throws IllegalArgumentException if there is no endpoint of this name
   */
  public CompletableFuture<EndpointStatus> recheck(String name) {
    GuardedEndpoint endpoint =
        endpoints.stream()
            .filter(each -> each.config().name().equals(name))
            .findFirst()
            .orElseThrow(() -> unknown(name));
    return endpoint.health().recheck().handle((done, unable) -> endpoint.status());
  }

  private IllegalArgumentException unknown(String name) {
    List<String> names = endpoints.stream().map(endpoint -> endpoint.config().name()).toList();
    return new IllegalArgumentException(
        "endpoint must be one of " + String.join(", ", names) + ", was '" + name + "'");
  }

  /**
   * Finds out of every endpoint what can be found out.
   *
   * @param tokens whether each is asked for one token too
   */
  public Diagnosis diagnose(boolean tokens, CancellationToken token) {
    return UserCode.givingBackInterrupt(
        () -> new Diagnoser(context.time(), tokens, token).diagnose(endpoints));
  }

  /** Nothing is asked on the side any more. */
  @Override
  public void close() {
    endpoints.forEach(endpoint -> endpoint.health().close());
    if (hedgingPolicy != null) {
      hedgingPolicy.close();
    }
  }

  /** Returns the Resilience4j registries behind the gates. */
  public Resilience4jRegistries registries() {
    return registries;
  }

  /**
   * Asks one endpoint after the other until one answers.
   *
   * @param limit of the whole call; null for all that the endpoints may take
   * @param validator what an answer must be to count as one
   * @throws LlmException if none answers, or the call is cancelled
   */
  public ChatResponse chat(
      ChatRequest request,
      @Nullable Duration limit,
      CancellationToken token,
      AnswerValidator validator) {
    return chat(request, limit, context.time().nanos(), token, validator);
  }

  /**
   * The same of a call that was made then: its limit began at that moment, and the time that no
   * limit has covers begins now.
   */
  public ChatResponse chat(
      ChatRequest request,
      @Nullable Duration limit,
      long made,
      CancellationToken token,
      AnswerValidator validator) {
    Deadline deadline = deadline(request, limit, made);
    return UserCode.givingBackInterrupt(
        () -> newCall(request, deadline, token, StreamSink.NONE, validator, hedgingPolicy).run());
  }

  /**
   * Returns the end of a call that was made then, and whose limit passed before a thread began it.
   */
  public LlmException notStarted(ChatRequest request, long made) {
    long now = context.time().nanos();
    CallRecorder recorder = newRecorder(request);
    for (GuardedEndpoint endpoint : endpoints) {
      Attempt unused = recorder.attemptSkipped(endpoint.config(), notStarted(request, endpoint));
    }
    return recorder.exhausted(now - made, FailoverCall.retryAfter(endpoints, request, now));
  }

  private static AttemptException notStarted(ChatRequest request, GuardedEndpoint endpoint) {
    try {
      LocalityPolicy.requirePermitted(request, endpoint.config());
      return AttemptException.of(FailureKind.DEADLINE_EXCEEDED, NOT_STARTED);
    } catch (AttemptException refusal) {
      return refusal;
    }
  }

  /**
   * The same, read while it comes.
   *
   * @param limit of the whole call, its delivery included; null for all that the endpoints may take
   *     until an answer begins
   * @param whenOver told once, when the call has ended in whatever way: the answer, or null
   */
  public StreamingCall stream(
      ChatRequest request,
      @Nullable Duration limit,
      CancellationToken token,
      Consumer<@Nullable ChatResponse> whenOver) {
    BufferedStreamSink sink = new BufferedStreamSink(request.onBrokenStream());
    Supplier<FailoverCall> beginning =
        () ->
            newCall(
                request,
                deadline(request, limit, context.time().nanos()),
                token,
                sink,
                AnswerValidator.of(request),
                null);
    return new StreamingCall(sink, token, beginning, whenOver);
  }

  private Deadline deadline(ChatRequest request, @Nullable Duration limit, long made) {
    return limit == null
        ? Deadline.ofEndpoints(context.time(), endpoints, request.repairTurn())
        : Deadline.setAt(context.time(), made, limit);
  }

  private CallRecorder newRecorder(ChatRequest request) {
    return new CallRecorder(calls.incrementAndGet(), request.tags(), context.time(), listener);
  }

  private FailoverCall newCall(
      ChatRequest request,
      Deadline deadline,
      CancellationToken token,
      StreamSink sink,
      AnswerValidator validator,
      @Nullable HedgingPolicy hedgingPolicy) {
    CallRecorder recorder = newRecorder(request);
    return new FailoverCall(
        endpoints, context, request, deadline, token, recorder, sink, validator, hedgingPolicy);
  }
}
