// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmException;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.circuit.EndpointCircuitBreaker;
import dev.offmeter.internal.health.ModelLoadWaiters;
import dev.offmeter.internal.time.CancellationToken;
import dev.offmeter.internal.time.TimeSource;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The loop: one call on its way through the endpoints, one step after the other. What a failure
 * does to the call is decided in {@link EndpointExecution}. Used by one thread at a time.
 */
final class FailoverCall {
  private final List<GuardedEndpoint> endpoints;
  private final CallContext context;
  private final ChatRequest request;
  private final Deadline deadline;
  private final CancellationToken callToken;
  private final CallRecorder recorder;
  private final StreamSink sink;
  private final AnswerValidator validator;
  private final List<GuardedEndpoint> fullEndpoints = new ArrayList<>();
  private final ModelLoadWait loadWait;
  private final @Nullable HedgeController hedge;
  private int nextIndex;
  private @Nullable EndpointExecution execution;

  /** What all calls of a client share. */
  record CallContext(TimeSource time, RetryPolicy retryPolicy, AdmissionQueue admissionQueue) {}

  FailoverCall(
      List<GuardedEndpoint> endpoints,
      CallContext context,
      ChatRequest request,
      Deadline deadline,
      CancellationToken callToken,
      CallRecorder recorder,
      StreamSink sink,
      AnswerValidator validator,
      @Nullable HedgingPolicy hedgingPolicy) {
    this.endpoints = endpoints;
    this.context = context;
    this.request = request;
    this.deadline = deadline;
    this.callToken = callToken;
    this.recorder = recorder;
    this.sink = sink;
    this.validator = validator;
    this.loadWait = new ModelLoadWait(context, deadline, callToken, recorder);
    this.hedge = hedgingPolicy == null ? null : new HedgeController(this, hedgingPolicy, callToken);
  }

  /** Runs to the answer. */
  ChatResponse run() {
    boolean answered = false;
    try {
      ChatResponse response = advance();
      while (response == null) {
        response = advance();
      }
      answered = true;
      return response;
    } catch (LlmException e) {
      ChatResponse other = hedge == null ? null : hedge.winningAnswer(recorder.isAnswered());
      if (other == null) {
        throw e;
      }
      answered = true;
      return other;
    } finally {
      if (hedge != null) {
        hedge.end(answered);
      }
    }
  }

  /**
   * Asks the next endpoint, or reads on where one is being asked.
   *
   * @return the answer; null while there is more to be done
   */
  @Nullable ChatResponse advance() {
    boolean wellEnded = false;
    try {
      ChatResponse response = null;
      if (execution == null || execution.isClosed()) {
        response = hedge == null ? null : hedge.awaitOutcome(nextIndex < endpoints.size());
        response = response == null ? moveToNext() : response;
      }
      if (response == null && execution != null) {
        response = execution.advance();
      }
      wellEnded = true;
      return response;
    } catch (LlmException e) {
      throw e;
    } catch (Throwable e) {
      throw recorder.failedInternally(e);
    } finally {
      if (!wellEnded) {
        closeExecution();
      }
    }
  }

  /** Gives up what the call holds. */
  private void closeExecution() {
    if (execution != null) {
      execution.close();
    }
  }

  /** Its reader wants more. */
  void onReaderWaiting() {
    deadline.onReaderWaiting();
  }

  /** Its reader has an event, and takes his time. */
  void onReaderIdle() {
    deadline.onReaderIdle();
    if (execution != null) {
      execution.onReaderIdle();
    }
  }

  /** Ends the call between two steps. */
  LlmException abort(String why) {
    try {
      if (execution != null && !execution.isClosed()) {
        execution.abort(why);
      }
      return recorder.stopped(why);
    } finally {
      closeExecution();
    }
  }

  /**
   * Goes to the next endpoint.
   *
   * @return the answer of the one beside the call, if there is no next and it has one
   */
  private @Nullable ChatResponse moveToNext() {
    EndpointExecution here = enterNext();
    if (hedge != null && here != null && here.isRunBy(hedge.token())) {
      here.reportStart();
      hedge.runTrial(here);
      here = enterNext();
    }
    if (here == null) {
      return awaitHedgeOrFail();
    }
    execution = here;
    if (hedge != null) {
      hedge.onNextStarted();
    }
    return null;
  }

  private ChatResponse awaitHedgeOrFail() {
    ChatResponse other = hedge == null ? null : hedge.awaitOutcome(false);
    if (other != null) {
      return other;
    }
    throwIfCancelled();
    throw recorder.exhausted(
        deadline.elapsed(), retryAfter(endpoints, request, context.time().nanos()));
  }

  /** When the first of the endpoints may be asked again that are left alone now. */
  static Optional<Duration> retryAfter(List<GuardedEndpoint> gates, ChatRequest request, long now) {
    return gates.stream()
        .filter(endpoint -> LocalityPolicy.isPermitted(request, endpoint.config()))
        .flatMap(endpoint -> endpoint.timeUntilAdmission(now).stream())
        .min(Comparator.naturalOrder());
  }

  /** Whether there is a server still to come that may be asked beside the one that is. */
  boolean hasHedgeCandidate() {
    for (GuardedEndpoint endpoint : endpoints.subList(nextIndex, endpoints.size())) {
      if (endpoint.config().isLocal()) {
        // A function would always be first, and is the last resort.
        return false;
      }
      if (!endpoint.isCircuitOpen() && LocalityPolicy.isPermitted(request, endpoint.config())) {
        return true;
      }
    }
    return false;
  }

  /**
   * Asks the next server beside the one that is being asked, while that is silent.
   *
   * @return its answer; null if it has none, or another came first
   */
  @Nullable ChatResponse runHedge(CancellationToken own) {
    EndpointExecution other = null;
    while (other == null && hasHedgeCandidate()) {
      other = tryEnterInOrder(endpoints.get(nextIndex++), own);
    }
    return other == null ? null : runToEnd(other);
  }

  /** The answer of one endpoint; null if it has none, or another came first. */
  static @Nullable ChatResponse runToEnd(EndpointExecution execution) {
    try {
      ChatResponse response = null;
      while (response == null && !execution.isClosed()) {
        response = execution.advance();
      }
      return response;
    } finally {
      execution.close();
    }
  }

  /** Null when there is no further endpoint. */
  private @Nullable EndpointExecution enterNext() {
    while (nextIndex < endpoints.size()) {
      throwIfCancelled();
      GuardedEndpoint endpoint = endpoints.get(nextIndex);
      EndpointExecution loaded =
          endpoint.config().isLastResort() ? awaitLoadBefore(nextIndex) : null;
      if (loaded != null) {
        return loaded;
      }
      nextIndex++;
      EndpointExecution execution = tryEnterInOrder(endpoint, callToken);
      if (execution != null) {
        return execution;
      }
    }
    return awaitSlotOrLoad();
  }

  /** A function is the last resort: a model that is loaded in time answers instead. */
  private @Nullable EndpointExecution awaitLoadBefore(int function) {
    List<GuardedEndpoint> before = endpoints.subList(0, function);
    GuardedEndpoint endpoint = loadWait.awaitAny(loading(before), reservedFor(function));
    while (endpoint != null) {
      throwIfCancelled();
      EndpointExecution execution = tryEnterInOrder(endpoint, callToken);
      if (execution != null) {
        return execution;
      }
      endpoint = loadWait.awaitAny(loading(before), reservedFor(function));
    }
    throwIfCancelled();
    return null;
  }

  /** What a deadline that was set leaves for those still to come. */
  private long reservedFor(int function) {
    return deadline.isSet()
        ? deadline.equalShares(eligible(endpoints.subList(function, endpoints.size())))
        : 0;
  }

  private List<GuardedEndpoint> loading(List<GuardedEndpoint> among) {
    return among.stream()
        .filter(
            endpoint ->
                endpoint.isWarming() && LocalityPolicy.isPermitted(request, endpoint.config()))
        .toList();
  }

  private @Nullable EndpointExecution tryEnterInOrder(
      GuardedEndpoint endpoint, CancellationToken token) {
    List<GuardedEndpoint> stillToCome = eligible(endpoints.subList(nextIndex, endpoints.size()));
    return tryEnter(endpoint, DeadlineShare.of(endpoint, deadline, stillToCome), token);
  }

  /** Asks if the gate lets the call in. No other way leads to an endpoint. */
  private @Nullable EndpointExecution tryEnter(
      GuardedEndpoint endpoint, DeadlineShare share, CancellationToken token) {
    try {
      LocalityPolicy.requirePermitted(request, endpoint.config());
      EndpointCircuitBreaker.Permit permit = acquireOrQueue(endpoint, share, token);
      return new EndpointExecution(
          this, endpoint, permit, share, tokenFor(endpoint, permit, token));
    } catch (AttemptException refusal) {
      if (refusal.kind() == FailureKind.BULKHEAD_FULL && !fullEndpoints.contains(endpoint)) {
        fullEndpoints.add(endpoint);
      }
      recorder.attemptSkipped(endpoint.config(), refusal);
      return null;
    }
  }

  /** An endpoint on trial is asked beside the call, if there is another to go to: one at a time. */
  private CancellationToken tokenFor(
      GuardedEndpoint endpoint, EndpointCircuitBreaker.Permit permit, CancellationToken token)
      throws AttemptException {
    if (hedge == null || token != callToken || !permit.isTrial() || !hasHedgeCandidate()) {
      return token;
    }
    if (hedge.isIdle()) {
      return hedge.token();
    }
    permit.release();
    context.admissionQueue().release(endpoint);
    throw endpoint.circuitOpenFailure("on trial, and nobody is to wait for that");
  }

  /** With a little patience for a place, if the endpoint is worth it. */
  private EndpointCircuitBreaker.Permit acquireOrQueue(
      GuardedEndpoint endpoint, DeadlineShare share, CancellationToken token)
      throws AttemptException {
    endpoint.health().modelLoader().beforeCall();
    try {
      return endpoint.acquire();
    } catch (AttemptException refusal) {
      if (refusal.kind() != FailureKind.BULKHEAD_FULL || endpoint.config().maxWait().isZero()) {
        throw refusal;
      }
      return awaitPermit(endpoint, share, token);
    }
  }

  private EndpointCircuitBreaker.Permit awaitPermit(
      GuardedEndpoint endpoint, DeadlineShare share, CancellationToken token)
      throws AttemptException {
    long wait = Math.min(endpoint.config().maxWait().toNanos(), share.remainingToWait());
    deadline.onWait();
    if (wait <= 0 || context.admissionQueue().awaitSlot(List.of(endpoint), wait, token) == null) {
      throwIfCancelled(token);
      return endpoint.acquire();
    }
    return acquireWithSlot(endpoint, token);
  }

  /** The place goes to the next in the line if the call cannot use it. */
  private EndpointCircuitBreaker.Permit acquireWithSlot(
      GuardedEndpoint endpoint, CancellationToken token) throws AttemptException {
    boolean entered = false;
    try {
      throwIfCancelled(token);
      EndpointCircuitBreaker.Permit permit = endpoint.acquireWithSlot();
      entered = true;
      return permit;
    } finally {
      if (!entered) {
        context.admissionQueue().release(endpoint);
      }
    }
  }

  /** Those still to come that could be asked as they are now, which keep time. */
  private List<GuardedEndpoint> eligible(List<GuardedEndpoint> stillToCome) {
    long now = context.time().nanos();
    long left = deadline.remaining();
    List<GuardedEndpoint> later = new ArrayList<>(stillToCome);
    later.removeIf(
        endpoint ->
            !LocalityPolicy.isPermitted(request, endpoint.config())
                || !endpoint.isEligible(now, left));
    return later;
  }

  /** Those that had no place and are waited for, which keep time too. */
  private List<GuardedEndpoint> stillAwaited() {
    return fullEndpoints.stream().filter(endpoint -> !endpoint.isCircuitOpen()).toList();
  }

  /** Nobody else could answer: what is left are the endpoints that had no place. */
  private @Nullable EndpointExecution awaitSlotOrLoad() {
    while (!fullEndpoints.isEmpty() && deadline.remaining() > 0) {
      deadline.onWait();
      List<GuardedEndpoint> loading = loading(endpoints);
      GuardedEndpoint placed = slotUnlessLoaded(loading);
      GuardedEndpoint loaded =
          placed == null ? ModelLoadWait.firstLoaded(loading).orElse(null) : null;
      if (placed == null && (loaded == null || callToken.reason() != null)) {
        break;
      }
      EndpointExecution execution = placed == null ? enterLoaded(loaded) : enterWithSlot(placed);
      if (execution != null) {
        return execution;
      }
    }
    throwIfCancelled();
    EndpointExecution execution = retryReopened();
    return execution == null ? awaitLoad() : execution;
  }

  /** Null when none is free in time, or a model has been loaded first, which can answer now. */
  private @Nullable GuardedEndpoint slotUnlessLoaded(List<GuardedEndpoint> loading) {
    ModelLoadWaiters.Waiter waiter = new ModelLoadWaiters.Waiter();
    loading.forEach(endpoint -> endpoint.loadWaiters().add(waiter));
    try {
      return ModelLoadWait.firstLoaded(loading).isPresent()
          ? null
          : context
              .admissionQueue()
              .awaitSlot(fullEndpoints, deadline.remaining(), callToken, waiter.ended());
    } finally {
      loading.forEach(endpoint -> endpoint.loadWaiters().remove(waiter));
    }
  }

  private @Nullable EndpointExecution enterLoaded(@Nullable GuardedEndpoint endpoint) {
    return endpoint == null
        ? null
        : tryEnter(endpoint, DeadlineShare.ofLast(endpoint, deadline, stillAwaited()), callToken);
  }

  /**
   * What has gone down while the call waited for a place there may be up again; else it is told.
   */
  private @Nullable EndpointExecution retryReopened() {
    for (GuardedEndpoint endpoint : List.copyOf(fullEndpoints)) {
      EndpointExecution execution = endpoint.isCircuitOpen() ? tryEnterAgain(endpoint) : null;
      if (execution != null) {
        return execution;
      }
    }
    return null;
  }

  /**
   * Better to wait for a model that is being loaded than not to be answered: whichever is there
   * first, so that a long load takes no time from a short one.
   */
  private @Nullable EndpointExecution awaitLoad() {
    List<GuardedEndpoint> loading = new ArrayList<>(loading(endpoints));
    while (!loading.isEmpty()) {
      GuardedEndpoint endpoint = loadWait.awaitAny(loading);
      throwIfCancelled();
      EndpointExecution execution = tryEnterAgain(endpoint == null ? loading.get(0) : endpoint);
      if (execution != null) {
        return execution;
      }
      loading.remove(endpoint == null ? loading.get(0) : endpoint);
    }
    return null;
  }

  /** After all others: nothing is to be kept for anybody. */
  private @Nullable EndpointExecution tryEnterAgain(GuardedEndpoint endpoint) {
    return tryEnter(endpoint, DeadlineShare.ofLast(endpoint, deadline, List.of()), callToken);
  }

  private @Nullable EndpointExecution enterWithSlot(GuardedEndpoint endpoint) {
    fullEndpoints.remove(endpoint);
    try {
      EndpointCircuitBreaker.Permit permit = acquireWithSlot(endpoint, callToken);
      return new EndpointExecution(
          this,
          endpoint,
          permit,
          DeadlineShare.ofLast(endpoint, deadline, stillAwaited()),
          callToken);
    } catch (AttemptException refusal) {
      recorder.attemptSkipped(endpoint.config(), refusal);
      return null;
    }
  }

  /** One try at {@code gate}. */
  TimedAttempt newAttempt(
      GuardedEndpoint endpoint, ChatRequest asked, long share, CancellationToken token) {
    HedgeController activeHedge = token == callToken ? hedge : null;
    endpoint.activity().onRequest();
    return new TimedAttempt(
        endpoint,
        context.time(),
        asked,
        token,
        deadline,
        share,
        sink.piecesBeforeFirst(),
        activeHedge);
  }

  private void throwIfCancelled() {
    throwIfCancelled(callToken);
  }

  /** Ends the call if its caller wants it no more. */
  void throwIfCancelled(CancellationToken token) {
    String reason = token.reason();
    if (reason != null) {
      throw recorder.stopped(reason);
    }
  }

  /** The call has left an endpoint where it was for so long. */
  void onEndpointLeft(GuardedEndpoint endpoint, long nanos) {
    loadWait.onAsked(endpoint, nanos);
  }

  ChatRequest request() {
    return request;
  }

  AnswerValidator validator() {
    return validator;
  }

  TimeSource time() {
    return context.time();
  }

  RetryPolicy retryPolicy() {
    return context.retryPolicy();
  }

  AdmissionQueue admissionQueue() {
    return context.admissionQueue();
  }

  Deadline deadline() {
    return deadline;
  }

  CallRecorder recorder() {
    return recorder;
  }

  StreamSink sink() {
    return sink;
  }
}
