// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import dev.offmeter.Attempt;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmException;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.UserCode;
import dev.offmeter.internal.budget.BudgetKeeper;
import dev.offmeter.internal.budget.CallBudgets;
import dev.offmeter.internal.circuit.EndpointCircuitBreaker;
import dev.offmeter.internal.circuit.ExponentialBackoff;
import dev.offmeter.internal.health.HealthCheckInterval;
import dev.offmeter.internal.http.EndpointConfig;
import dev.offmeter.internal.http.Transport;
import dev.offmeter.internal.meter.MeterRecorder;
import dev.offmeter.internal.time.CancellationToken;
import dev.offmeter.internal.time.TimeSource;
import dev.offmeter.observe.ClientStatus;
import dev.offmeter.observe.Diagnosis;
import dev.offmeter.observe.EndpointStatus;
import dev.offmeter.observe.Explanation;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.observe.Resilience4jRegistries;
import io.github.resilience4j.bulkhead.BulkheadRegistry;
import io.github.resilience4j.circuitbreaker.CircuitBreakerRegistry;
import io.github.resilience4j.timelimiter.TimeLimiterRegistry;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.function.DoubleSupplier;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Runs calls over an ordered list of endpoints. Safe for use by many threads.
 *
 * <p>The loop is in {@link FailoverCall}; {@link FailurePolicy} decides what a failure means,
 * {@link Deadline} how time is shared out, {@link AttemptClocks} how one attempt is bounded, and
 * {@link GuardedEndpoint} with its {@link EndpointCircuitBreaker} whether an endpoint may be asked.
 */
public final class FailoverExecutor implements AutoCloseable {
  private static final String NOT_STARTED =
      "the deadline left no time for it: it passed before a thread had begun the call";

  private final List<GuardedEndpoint> endpoints;
  private final Resilience4jRegistries registries = emptyRegistries();
  private final TimeSource time;
  private final AdmissionQueue admissionQueue;
  private final LlmListener listener;
  private final MeterRecorder meter;
  private final BudgetKeeper budgets;
  private final @Nullable HedgingPolicy hedgingPolicy;
  private final AtomicLong calls = new AtomicLong();

  static Resilience4jRegistries emptyRegistries() {
    return new Resilience4jRegistries(
        CircuitBreakerRegistry.ofDefaults(),
        TimeLimiterRegistry.ofDefaults(),
        BulkheadRegistry.ofDefaults());
  }

  /**
   * Creates an executor over endpoints in order of preference.
   *
   * @param openers opens exchanges with each endpoint
   * @param workers runs probes in the background
   * @param random numbers from 0 to 1, for jitter
   * @param hedgingPolicy when a second endpoint is asked; null for never
   * @param listener is notified of every event; must not throw
   * @param meter counts what attempts used
   * @param budgets limit what attempts may use
   */
  public FailoverExecutor(
      List<EndpointConfig> endpoints,
      Function<EndpointConfig, Transport.ExchangeFactory> openers,
      TimeSource time,
      Executor workers,
      DoubleSupplier random,
      @Nullable HedgingPolicy hedgingPolicy,
      LlmListener listener,
      MeterRecorder meter,
      BudgetKeeper budgets) {
    this.meter = meter;
    this.budgets = budgets;
    this.hedgingPolicy = hedgingPolicy;
    this.listener = listener;
    this.time = time;
    this.admissionQueue = new AdmissionQueue(time);
    GuardedEndpoint.SharedResources shared =
        new GuardedEndpoint.SharedResources(
            time,
            workers,
            new ExponentialBackoff(random),
            new HealthCheckInterval(random),
            registries,
            admissionQueue,
            listener::onEndpointChanged,
            listener::onQueueAlert);
    List<GuardedEndpoint> all = new ArrayList<>();
    for (EndpointConfig config : endpoints) {
      all.add(new GuardedEndpoint(config, openers.apply(config), shared));
    }
    this.endpoints = List.copyOf(all);
  }

  /** Returns the state of the endpoints. */
  public ClientStatus status() {
    return new ClientStatus(endpoints.stream().map(GuardedEndpoint::status).toList());
  }

  /** Explains which endpoints a call with this request would ask now. */
  public Explanation explain(ChatRequest request) {
    long now = time.nanos();
    CallBudgets ofCall = budgets.forCall(request, false);
    return new Explanation(
        endpoints.stream().map(endpoint -> explain(endpoint, request, now, ofCall)).toList());
  }

  private static Explanation.Entry explain(
      GuardedEndpoint endpoint, ChatRequest request, long now, CallBudgets ofCall) {
    Explanation.Entry entry = endpoint.explain(request, now);
    Optional<String> refusal =
        entry.isAsked() ? ofCall.refusalNow(endpoint.config(), request) : Optional.empty();
    return refusal
        .map(
            why ->
                new Explanation.Entry(
                    entry.endpoint(), entry.model(), Optional.of(FailureKind.BUDGET_EXCEEDED), why))
        .orElse(entry);
  }

  /**
   * Runs a health check of every endpoint that has one, and loads the models that are not in
   * memory.
   *
   * @return completed when all are done, never exceptionally
   */
  public CompletableFuture<ClientStatus> warmUp() {
    CompletableFuture<?>[] all =
        endpoints.stream()
            .map(endpoint -> endpoint.health().warmUp())
            .toArray(CompletableFuture[]::new);
    // A check that closing the client makes impossible is no failure of the caller's.
    return CompletableFuture.allOf(all).handle((done, unable) -> status());
  }

  /**
   * Checks at once whether an endpoint works again.
   *
   * @return completed when that is known, with the endpoint's status
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
   * Diagnoses every endpoint.
   *
   * @param tokens whether each endpoint is asked for one token too
   */
  public Diagnosis diagnose(boolean tokens, CancellationToken token) {
    return UserCode.givingBackInterrupt(
        () -> {
          DiagnosisQuestions questions =
              new DiagnosisQuestions(time, budgets, meter, tokens ? calls.incrementAndGet() : 0);
          return new Diagnoser(time, questions, tokens, token).diagnose(endpoints);
        });
  }

  /** Stops all background work. */
  @Override
  public void close() {
    endpoints.forEach(endpoint -> endpoint.health().close());
  }

  /** Returns the Resilience4j registries that hold the circuit breakers and bulkheads. */
  public Resilience4jRegistries registries() {
    return registries;
  }

  /**
   * Asks one endpoint after the other until one answers.
   *
   * @param limit the deadline; null for the sum of what the endpoints may take
   * @param made when the call was handed over: its deadline began then, while the default without a
   *     deadline begins now, because it covers attempts only
   * @param validator decides whether an answer is accepted
   * @throws LlmException if none answers, or the call is cancelled
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
   * Returns the exception of a call handed over at {@code made} whose deadline passed before a
   * thread began it.
   */
  public LlmException notStarted(ChatRequest request, long made) {
    long now = time.nanos();
    CallRecorder recorder = newRecorder(request, false);
    for (GuardedEndpoint endpoint : endpoints) {
      Attempt unused = recorder.attemptSkipped(endpoint.config(), notStarted(request, endpoint));
    }
    return recorder.exhausted(
        now - made, FailoverCall.retryAfter(endpoints, request, now), Optional.empty());
  }

  /** Reports a call that is rejected before it begins, and returns its exception. */
  public LlmException reject(ChatRequest request, LlmException rejection) {
    return newRecorder(request, false).rejected(rejection);
  }

  private static AttemptException notStarted(ChatRequest request, GuardedEndpoint endpoint) {
    try {
      endpoint.requireSuitable(request);
      return AttemptException.of(FailureKind.DEADLINE_EXCEEDED, NOT_STARTED);
    } catch (AttemptException refusal) {
      return refusal;
    }
  }

  /**
   * Streams an answer; endpoints are asked as by {@code chat}.
   *
   * @param limit the deadline, delivery included; null for the sum of what the endpoints may take
   *     until an answer begins
   * @param whenOver called once when the call has ended, with the answer or null
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
                deadline(request, limit, time.nanos()),
                token,
                sink,
                AnswerValidator.of(request),
                null);
    return new StreamingCall(sink, token, beginning, whenOver);
  }

  private Deadline deadline(ChatRequest request, @Nullable Duration limit, long made) {
    return limit == null
        ? Deadline.ofEndpoints(time, endpoints, request.repairTurn())
        : Deadline.setAt(time, made, limit);
  }

  private CallRecorder newRecorder(ChatRequest request, boolean streamed) {
    return new CallRecorder(calls.incrementAndGet(), request, streamed, time, listener, meter);
  }

  private FailoverCall newCall(
      ChatRequest request,
      Deadline deadline,
      CancellationToken token,
      StreamSink sink,
      AnswerValidator validator,
      @Nullable HedgingPolicy hedgingPolicy) {
    CallContext context =
        new CallContext(
            endpoints,
            request,
            deadline,
            token,
            newRecorder(request, sink != StreamSink.NONE),
            sink,
            validator,
            time,
            budgets.forCall(request, sink != StreamSink.NONE),
            admissionQueue);
    return new FailoverCall(context, hedgingPolicy);
  }
}
