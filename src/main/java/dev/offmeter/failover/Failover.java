// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.Attempt;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmException;
import dev.offmeter.endpoint.EndpointSpec;
import dev.offmeter.endpoint.Transport;
import dev.offmeter.observe.ClientStatus;
import dev.offmeter.observe.Diagnosis;
import dev.offmeter.observe.EndpointStatus;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.observe.Resilience4jRegistries;
import dev.offmeter.wire.Failure;
import dev.offmeter.wire.ForeignCode;
import io.github.resilience4j.bulkhead.BulkheadRegistry;
import io.github.resilience4j.circuitbreaker.CircuitBreakerRegistry;
import io.github.resilience4j.timelimiter.TimeLimiterRegistry;
import java.time.Duration;
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
 * <p>The loop is in {@link OneCall}; what a failure means stands in {@link Judgement}; how time is
 * shared out, in {@link Deadline}; how one attempt is bounded, in {@link TimedAttempt}; who may ask
 * an endpoint at all, in {@link Gate} and its {@link Breaker}.
 */
public final class Failover implements AutoCloseable {
  private static final String UNBEGUN =
      "the deadline left no time for it: it passed before a thread had begun the call";

  private final List<Gate> gates;
  private final Resilience4jRegistries registries = emptyRegistries();
  private final OneCall.Surroundings around;
  private final LlmListener listener;
  private final @Nullable Hedging hedging;
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
   * @param hedging when a second endpoint is asked, null for never
   * @param listener hears of everything; must not throw
   */
  public Failover(
      List<EndpointSpec> endpoints,
      Function<EndpointSpec, Transport.Opener> openers,
      Time time,
      Executor workers,
      DoubleSupplier random,
      @Nullable Hedging hedging,
      LlmListener listener) {
    this.hedging = hedging;
    this.listener = listener;
    WaitingLine line = new WaitingLine(time);
    this.around = new OneCall.Surroundings(time, new Retries(time), line);
    Gate.Shared shared =
        new Gate.Shared(
            time,
            workers,
            new TimedWayBack(random),
            new ProbePace(random),
            registries,
            line,
            listener::onEndpointChanged);
    this.gates =
        endpoints.stream().map(spec -> new Gate(spec, openers.apply(spec), shared)).toList();
  }

  /** How the endpoints are. */
  public ClientStatus status() {
    return new ClientStatus(gates.stream().map(Gate::status).toList());
  }

  /**
   * Looks at every endpoint that can be looked at, and has the models loaded that are not.
   *
   * @return completed when that is done, never exceptionally
   */
  public CompletableFuture<ClientStatus> warmUp() {
    CompletableFuture<?>[] all =
        gates.stream().map(gate -> gate.health().warmUp()).toArray(CompletableFuture[]::new);
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
    Gate gate =
        gates.stream()
            .filter(each -> each.spec().name().equals(name))
            .findFirst()
            .orElseThrow(() -> unknown(name));
    return gate.health().recheck().handle((done, unable) -> gate.status());
  }

  private IllegalArgumentException unknown(String name) {
    List<String> names = gates.stream().map(gate -> gate.spec().name()).toList();
    return new IllegalArgumentException(
        "endpoint must be one of " + String.join(", ", names) + ", was '" + name + "'");
  }

  /**
   * Finds out of every endpoint what can be found out.
   *
   * @param tokens whether each is asked for one token too
   */
  public Diagnosis diagnose(boolean tokens, Cancellation cancellation) {
    return ForeignCode.givingBackInterrupt(
        () -> new Diagnoser(around.time(), tokens, cancellation).of(gates));
  }

  /** Nothing is asked on the side any more. */
  @Override
  public void close() {
    gates.forEach(gate -> gate.health().close());
    if (hedging != null) {
      hedging.close();
    }
  }

  /** The Resilience4j registries behind the gates. */
  public Resilience4jRegistries registries() {
    return registries;
  }

  /**
   * Asks one endpoint after the other until one answers.
   *
   * @param limit of the whole call; null for all that the endpoints may take
   * @param acceptance what an answer must be to count as one
   * @throws LlmException if none answers, or the call is cancelled
   */
  public ChatResponse chat(
      ChatRequest request,
      @Nullable Duration limit,
      Cancellation cancellation,
      Acceptance acceptance) {
    return chat(request, limit, around.time().nanos(), cancellation, acceptance);
  }

  /**
   * The same of a call that was made then: its limit began at that moment, and the time that no
   * limit has covers begins now.
   */
  public ChatResponse chat(
      ChatRequest request,
      @Nullable Duration limit,
      long made,
      Cancellation cancellation,
      Acceptance acceptance) {
    Deadline deadline = deadline(request, limit, made);
    return ForeignCode.givingBackInterrupt(
        () -> call(request, deadline, cancellation, Audience.NOBODY, acceptance, hedging).run());
  }

  /** The end of a call that was made then, and whose limit passed before a thread began it. */
  public LlmException unbegun(ChatRequest request, long made) {
    long now = around.time().nanos();
    Story story = story(request);
    for (Gate gate : gates) {
      Attempt unused = story.skips(gate.spec(), unbegun(request, gate));
    }
    return story.exhausted(now - made, OneCall.retryAfter(gates, request, now));
  }

  private static Failure unbegun(ChatRequest request, Gate gate) {
    try {
      Clearance.check(request, gate.spec());
      return Failure.of(FailureKind.DEADLINE_EXCEEDED, UNBEGUN);
    } catch (Failure refusal) {
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
  public StreamedCall stream(
      ChatRequest request,
      @Nullable Duration limit,
      Cancellation cancellation,
      Consumer<@Nullable ChatResponse> whenOver) {
    Showing showing = new Showing(request.onBrokenStream());
    Supplier<OneCall> beginning =
        () ->
            call(
                request,
                deadline(request, limit, around.time().nanos()),
                cancellation,
                showing,
                Acceptance.of(request),
                null);
    return new StreamedCall(showing, cancellation, beginning, whenOver);
  }

  private Deadline deadline(ChatRequest request, @Nullable Duration limit, long made) {
    return limit == null
        ? Deadline.ofAll(around.time(), gates, request.repairTurn())
        : Deadline.setAt(around.time(), made, limit);
  }

  private Story story(ChatRequest request) {
    return new Story(calls.incrementAndGet(), request.tags(), around.time(), listener);
  }

  private OneCall call(
      ChatRequest request,
      Deadline deadline,
      Cancellation cancellation,
      Audience audience,
      Acceptance acceptance,
      @Nullable Hedging hedging) {
    Story story = story(request);
    return new OneCall(
        gates, around, request, deadline, cancellation, story, audience, acceptance, hedging);
  }
}
