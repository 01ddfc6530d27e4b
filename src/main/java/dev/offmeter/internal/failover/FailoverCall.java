// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.LlmException;
import dev.offmeter.guard.BudgetStatus;
import dev.offmeter.internal.budget.StoreWait;
import dev.offmeter.internal.health.ModelLoadWaiters;
import dev.offmeter.internal.http.EndpointConfig;
import dev.offmeter.internal.time.CancellationToken;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The loop: one call on its way through the endpoints, in {@link #step()}. What a failure at an
 * endpoint does to the call is decided in {@link EndpointExecution}. Used by one thread at a time;
 * only {@link #hasHedgeCandidate} and {@link #runHedge} are for the timer's and the hedge's.
 */
final class FailoverCall {
  private final CallContext context;
  private final AdmissionControl admissions;
  private final ModelLoadWait loadWait;
  private final @Nullable HedgeController hedge;

  /**
   * The index of the next endpoint in order. Owned by the call's thread, but by the hedge's while a
   * hedge runs: the call moves on only when it has waited for that, see {@link HedgeController}.
   */
  private int nextIndex;

  /** Whether no step has been made yet. Owned by the call's thread. */
  private boolean fresh = true;

  /** The endpoint that is being asked. Owned by the call's thread. */
  private @Nullable EndpointExecution execution;

  FailoverCall(CallContext context, @Nullable HedgingPolicy hedgingPolicy) {
    this.context = context;
    this.admissions = new AdmissionControl(context);
    this.loadWait = new ModelLoadWait(context);
    this.hedge = hedgingPolicy == null ? null : new HedgeController(this, hedgingPolicy, context);
  }

  /** Runs to the answer. */
  ChatResponse run() {
    try {
      Step step = advance();
      while (step instanceof Step.Continue) {
        step = advance();
      }
      return answerOrThrow(step);
    } catch (LlmException e) {
      // A hedge that has its answer cancels the call, to end the attempt that this thread reads.
      ChatResponse other = hedge == null ? null : hedge.winningAnswer();
      if (other == null) {
        throw e;
      }
      return other;
    } finally {
      if (hedge != null) {
        hedge.end();
      }
    }
  }

  private ChatResponse answerOrThrow(Step last) {
    if (last instanceof Step.Answered answered) {
      return answered.response();
    }
    throw exhausted();
  }

  /** Ends the call for which no endpoint is left. */
  LlmException exhausted() {
    try {
      long now = context.time().nanos();
      return context
          .recorder()
          .exhausted(
              context.deadline().elapsed(),
              retryAfter(context.endpoints(), context.request(), now),
              context.budgets().refused());
    } catch (Throwable e) {
      return context.recorder().failedInternally(e);
    }
  }

  /**
   * Makes one step, and gives back all that the call holds if that ends it with an exception. A
   * plain call makes all its steps in {@link #run()}; a stream makes one when its reader wants
   * more.
   */
  Step advance() {
    boolean wellEnded = false;
    try {
      Step step = step();
      wellEnded = true;
      return step;
    } catch (LlmException e) {
      throw e;
    } catch (Throwable e) {
      throw context.recorder().failedInternally(e);
    } finally {
      if (!wellEnded) {
        closeExecution();
      }
    }
  }

  /**
   * Takes one step of the call. The order of its parts is the order in which endpoints are tried.
   */
  private Step step() {
    if (fresh) {
      fresh = false;
      throwIfRejectedByBudget();
    }

    // An endpoint is being asked. A failure there that does not end the call, and that the same
    // endpoint is not to be asked again for, leads to the next one in the step after this.
    if (execution != null) {
      Step step = execution.advance();
      if (step instanceof Step.Exhausted) {
        execution = null;
        return Step.CONTINUE;
      }
      return step;
    }

    // The first endpoint has failed while a hedge is being asked: the hedge's is the call's next
    // one, and is waited for. From here on no hedge begins, or it would ask the endpoint to which
    // the call now goes.
    if (hedge != null) {
      if (hedge.awaitOutcome() instanceof Step.Answered answer) {
        return answer;
      }
      // A call that is cancelled has not waited for its hedge, which may still be asking.
      context.throwIfCancelled();
    }

    // Every endpoint once, in order of preference.
    List<GuardedEndpoint> endpoints = context.endpoints();
    while (execution == null && nextIndex < endpoints.size()) {
      context.throwIfCancelled();
      GuardedEndpoint endpoint = endpoints.get(nextIndex);
      // A function is the last resort: a model that is loaded in time answers in its place.
      execution = endpoint.config().isLastResort() ? awaitLoadBefore(nextIndex) : null;
      if (execution == null) {
        nextIndex++;
        execution = tryEnter(endpoint, shareInOrder(endpoint), context.token());
      }
    }

    // None could answer at once. To wait is better than to fail, and first for what is sooner to
    // be had: a slot at an endpoint that was full, then a model that is being loaded.
    if (execution == null) {
      execution = awaitSlotOrLoad();
    }
    if (execution == null) {
      context.throwIfCancelled();
      execution = retryWentDown();
    }
    if (execution == null) {
      execution = awaitLoad();
    }
    if (execution == null) {
      context.throwIfCancelled();
      return Step.EXHAUSTED;
    }

    if (hedge != null) {
      hedge.onNextStarted();
    }
    return Step.CONTINUE;
  }

  /**
   * Returns whether one of the next endpoints is a server that may be asked beside the present one.
   */
  boolean hasHedgeCandidate() {
    List<GuardedEndpoint> endpoints = context.endpoints();
    for (GuardedEndpoint endpoint : endpoints.subList(nextIndex, endpoints.size())) {
      if (endpoint.config().isLocal()) {
        // A function would always be first, and is the last resort.
        return false;
      }
      if (!endpoint.isCircuitOpen() && endpoint.isSuitable(context.request())) {
        return true;
      }
    }
    return false;
  }

  /** Asks the next server beside the one that is being asked. Runs on a thread of the client's. */
  Step runHedge(CancellationToken hedgeToken) {
    EndpointExecution other = null;
    while (other == null && hasHedgeCandidate()) {
      GuardedEndpoint endpoint = context.endpoints().get(nextIndex++);
      other = tryEnter(endpoint, shareInOrder(endpoint), hedgeToken);
    }
    return other == null ? Step.EXHAUSTED : runToEnd(other);
  }

  /** Ends the call before anything is sent, if a budget that rejects calls has no room for it. */
  private void throwIfRejectedByBudget() {
    if (!context.budgets().mayReject()) {
      return;
    }
    List<EndpointConfig> permitted =
        context.endpoints().stream()
            .filter(endpoint -> endpoint.isSuitable(context.request()))
            .map(GuardedEndpoint::config)
            .toList();
    StoreWait wait = new StoreWait(context.deadline()::remaining, context.token());
    Optional<BudgetStatus> full = context.budgets().rejecting(permitted, context.request(), wait);
    if (full.isPresent()) {
      throw context.recorder().rejected(full.get());
    }
  }

  private static Step runToEnd(EndpointExecution execution) {
    try {
      Step step = execution.advance();
      while (step instanceof Step.Continue) {
        step = execution.advance();
      }
      return step;
    } finally {
      execution.close();
    }
  }

  private @Nullable EndpointExecution tryEnter(
      GuardedEndpoint endpoint, DeadlineShare share, CancellationToken token) {
    return begin(admissions.tryAdmit(endpoint, share, token), share, token);
  }

  /** Begins at an endpoint that has admitted the call; returns null for no admission. */
  private @Nullable EndpointExecution begin(
      @Nullable Admission admission, DeadlineShare share, CancellationToken token) {
    if (admission == null) {
      return null;
    }
    // The hedge's own attempt is not hedged.
    HedgeController watching = token == context.token() ? hedge : null;
    try {
      return new EndpointExecution(context, admission, share, token, watching, loadWait);
    } catch (Throwable e) {
      admission.close();
      throw e;
    }
  }

  private DeadlineShare shareInOrder(GuardedEndpoint endpoint) {
    return DeadlineShare.of(endpoint, context.deadline(), eligibleFrom(nextIndex));
  }

  private List<GuardedEndpoint> eligibleFrom(int index) {
    List<GuardedEndpoint> endpoints = context.endpoints();
    return admissions.eligible(endpoints.subList(index, endpoints.size()));
  }

  /** Waits for the models of endpoints before the function that are being loaded. */
  private @Nullable EndpointExecution awaitLoadBefore(int function) {
    List<GuardedEndpoint> before = context.endpoints().subList(0, function);
    GuardedEndpoint endpoint = loadWait.awaitAny(loading(before), reservedFor(function));
    while (endpoint != null) {
      context.throwIfCancelled();
      EndpointExecution loaded = tryEnter(endpoint, shareInOrder(endpoint), context.token());
      if (loaded != null) {
        return loaded;
      }
      endpoint = loadWait.awaitAny(loading(before), reservedFor(function));
    }
    context.throwIfCancelled();
    return null;
  }

  /** Returns the nanoseconds that a set deadline keeps for the function and those after it. */
  private long reservedFor(int function) {
    Deadline deadline = context.deadline();
    return deadline.isSet() ? deadline.equalShares(eligibleFrom(function)) : 0;
  }

  private List<GuardedEndpoint> loading(List<GuardedEndpoint> among) {
    return among.stream()
        .filter(endpoint -> endpoint.isWarming() && endpoint.isSuitable(context.request()))
        .toList();
  }

  /** Waits, where endpoints were full, for a slot or a loaded model, whichever comes first. */
  private @Nullable EndpointExecution awaitSlotOrLoad() {
    while (!admissions.full().isEmpty() && context.deadline().remaining() > 0) {
      context.deadline().onWait();
      List<GuardedEndpoint> loading = loading(context.endpoints());
      GuardedEndpoint withSlot = awaitSlotUnlessLoaded(loading);
      GuardedEndpoint loaded =
          withSlot == null ? ModelLoadWait.firstLoaded(loading).orElse(null) : null;
      GuardedEndpoint endpoint = withSlot == null ? loaded : withSlot;
      if (endpoint == null || (withSlot == null && context.token().recordInterrupt() != null)) {
        return null;
      }
      EndpointExecution entered = enterLast(endpoint, withSlot != null);
      if (entered != null) {
        return entered;
      }
    }
    return null;
  }

  /** Waits for a slot; returns null if none is free in time, or a model is loaded first. */
  private @Nullable GuardedEndpoint awaitSlotUnlessLoaded(List<GuardedEndpoint> loading) {
    ModelLoadWaiters.Waiter waiter = new ModelLoadWaiters.Waiter();
    loading.forEach(endpoint -> endpoint.loadWaiters().add(waiter));
    try {
      // A load that ended before this call was among its waiters has told nobody here of it.
      return ModelLoadWait.firstLoaded(loading).isPresent()
          ? null
          : context
              .admissionQueue()
              .awaitSlot(
                  admissions.full(),
                  context.deadline().remaining(),
                  context.token(),
                  waiter.ended());
    } finally {
      loading.forEach(endpoint -> endpoint.loadWaiters().remove(waiter));
    }
  }

  /** Enters one that was waited for, while others may still be. */
  private @Nullable EndpointExecution enterLast(GuardedEndpoint endpoint, boolean hasSlot) {
    if (!hasSlot) {
      return tryEnter(endpoint, lastShare(endpoint), context.token());
    }
    Admission admission = admissions.tryAdmitWithSlot(endpoint);
    try {
      return begin(admission, lastShare(endpoint), context.token());
    } catch (Throwable e) {
      if (admission != null) {
        admission.close();
      }
      throw e;
    }
  }

  private DeadlineShare lastShare(GuardedEndpoint endpoint) {
    return DeadlineShare.ofLast(endpoint, context.deadline(), admissions.stillAwaited());
  }

  /**
   * Tries those again that went down while the call waited for a slot there: they may be up by now,
   * and if not the call's attempts say so.
   */
  private @Nullable EndpointExecution retryWentDown() {
    for (GuardedEndpoint endpoint : List.copyOf(admissions.full())) {
      EndpointExecution entered = endpoint.isCircuitOpen() ? tryEnterAgain(endpoint) : null;
      if (entered != null) {
        return entered;
      }
    }
    return null;
  }

  /** Waits for whichever model is loaded first: a long load takes no time from a short one. */
  private @Nullable EndpointExecution awaitLoad() {
    List<GuardedEndpoint> loading = new ArrayList<>(loading(context.endpoints()));
    while (!loading.isEmpty()) {
      GuardedEndpoint loaded = loadWait.awaitAny(loading);
      context.throwIfCancelled();
      // With none loaded in time the first is asked, so that the call's attempts say why not.
      GuardedEndpoint endpoint = loaded == null ? loading.get(0) : loaded;
      EndpointExecution entered = tryEnterAgain(endpoint);
      if (entered != null) {
        return entered;
      }
      loading.remove(endpoint);
    }
    return null;
  }

  /** Enters one after all others: no time is to be kept for anybody. */
  private @Nullable EndpointExecution tryEnterAgain(GuardedEndpoint endpoint) {
    DeadlineShare share = DeadlineShare.ofLast(endpoint, context.deadline(), List.of());
    return tryEnter(endpoint, share, context.token());
  }

  /** Called when the reader of a stream wants more. */
  void onReaderWaiting() {
    context.deadline().onReaderWaiting();
  }

  /** Called when the reader of a stream has an event: the time until it wants more is its own. */
  void onReaderIdle() {
    context.deadline().onReaderIdle();
    if (execution != null) {
      execution.onReaderIdle();
    }
  }

  /** Ends the call between two steps. */
  LlmException abort(String why) {
    try {
      if (execution != null) {
        execution.abort(why);
      }
      return context.recorder().stopped(why);
    } finally {
      closeExecution();
    }
  }

  private void closeExecution() {
    if (execution != null) {
      execution.close();
    }
  }

  /** Returns the time until the first endpoint in back-off may be asked again, where known. */
  static Optional<Duration> retryAfter(
      List<GuardedEndpoint> endpoints, ChatRequest request, long now) {
    return endpoints.stream()
        .filter(endpoint -> endpoint.isSuitable(request))
        .flatMap(endpoint -> endpoint.timeUntilAdmission(now).stream())
        .min(Comparator.naturalOrder());
  }
}
