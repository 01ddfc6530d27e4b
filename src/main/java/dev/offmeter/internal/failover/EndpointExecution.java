// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import dev.offmeter.Attempt;
import dev.offmeter.ChatResponse;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmException;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.UserCode;
import dev.offmeter.internal.budget.BudgetHold;
import dev.offmeter.internal.budget.StoreWait;
import dev.offmeter.internal.circuit.HealthEffect;
import dev.offmeter.internal.circuit.Permit;
import dev.offmeter.internal.http.ExchangeResult;
import dev.offmeter.internal.meter.AttemptBill;
import dev.offmeter.internal.time.CancellableWait;
import dev.offmeter.internal.time.CancellationToken;
import dev.offmeter.observe.LlmListener;
import java.time.Duration;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Runs one call at one endpoint, from its admission until it leaves: one attempt, and the retries
 * that the endpoint allows and the deadline leaves room for. Whatever happens, it must {@link
 * #close()}.
 */
final class EndpointExecution {
  private final CallContext context;
  private final Admission admission;
  private final GuardedEndpoint endpoint;
  private final Permit permit;
  private final DeadlineShare share;
  private final CancellationToken token;
  private final @Nullable HedgeController hedge;
  private final ModelLoadWait loadWait;
  private final long enteredAt;
  private final AnswerRepair repair;

  // All below: owned by the thread that asks, the call's or its hedge's.

  private @Nullable AttemptException previousFailure;
  private int nextRetry = 1;
  private boolean closed;
  private @Nullable TimedAttempt attempt;
  private @Nullable DelayedRetry delayedRetry;
  private @Nullable BudgetHold hold;

  /**
   * Creates an execution that has begun no attempt yet.
   *
   * @param token cancels it: the call's own, or its hedge's
   * @param hedge is told when the endpoint is silent; null if none is to begin
   */
  EndpointExecution(
      CallContext context,
      Admission admission,
      DeadlineShare share,
      CancellationToken token,
      @Nullable HedgeController hedge,
      ModelLoadWait loadWait) {
    this.context = context;
    this.admission = admission;
    this.endpoint = admission.endpoint();
    this.permit = admission.permit();
    this.share = share;
    this.token = token;
    this.hedge = hedge;
    this.loadWait = loadWait;
    this.repair =
        new AnswerRepair(
            endpoint.config().defaults().apply(context.request()), context.validator());
    this.enteredAt = context.time().nanos();
  }

  /**
   * Reads on, or begins the next attempt.
   *
   * @return {@code EXHAUSTED} when the call has left the endpoint without an answer
   * @throws LlmException if the failure is one after which no other endpoint is asked
   */
  Step advance() {
    try {
      if (delayedRetry != null && !awaitRetryAndReenter(delayedRetry)) {
        return Step.EXHAUSTED;
      }
      boolean begun = attempt != null;
      TimedAttempt asked = attempt == null ? startAttempt() : attempt;
      ExchangeResult answer = begun ? asked.next() : send(asked);
      context.sink().onProgress(asked);
      reportRestart();
      if (asked.isDelivering()) {
        permit.onDelivery();
      }
      return answer == null ? Step.CONTINUE : onAnswer(asked, answer);
    } catch (AttemptException failure) {
      return onFailure(failure);
    } catch (LlmException e) {
      throw e;
    } catch (LinkageError e) {
      return onFailure(LinkageErrors.failure(e));
    } catch (Throwable e) {
      return onFailure(AttemptException.of(FailureKind.INTERNAL, UserCode.describe(e)));
    }
  }

  /** Reads on for the first time, which sends the request. */
  @SuppressWarnings("try") // The scope is for whoever finds it on this thread.
  private @Nullable ExchangeResult send(TimedAttempt asked) throws AttemptException {
    try (LlmListener.Scope unused = context.recorder().openScope(endpoint.config())) {
      return asked.next();
    }
  }

  private void reportRestart() {
    Attempt why = context.sink().takeRestart();
    if (why != null) {
      context.recorder().streamRestarted(why);
    }
  }

  private TimedAttempt startAttempt() throws AttemptException {
    checkTimeLeft();
    endpoint.rateLimiter().take(context.time().nanos());
    // At every dispatch anew: a retry and a repair turn are billed as well.
    StoreWait wait = new StoreWait(share::remaining, token);
    hold = context.budgets().reserve(endpoint.config(), repair.request(), wait);
    checkTimeLeft();
    if (permit.isTrial()) {
      // One that has idled through an outage may lead nowhere, and the trial would fail for that.
      endpoint.exchangeFactory().dropIdleConnections();
    }
    // Made before the listener hears of it, so that its share covers the listener too.
    endpoint.activity().onRequest();
    TimedAttempt asked =
        new TimedAttempt(
            endpoint,
            context.time(),
            repair.request(),
            token,
            context.deadline(),
            share.remaining(),
            context.sink().piecesBeforeFirst(),
            permit.isTrial() ? null : hedge);
    context.recorder().attemptStarted(endpoint.config(), asked);
    attempt = asked;
    if (hedge != null && permit.isTrial()) {
      // Hedged at once, so that nobody waits for an endpoint that may still be down; but not twice
      // in a row: a trial that loses to its hedge says nothing, and one must be heard to its end.
      endpoint.onTrialStarted(!endpoint.wasTrialHedged() && hedge.start());
    }
    // Whoever was told may have taken the time.
    checkTimeLeft();
    return asked;
  }

  private void checkTimeLeft() throws AttemptException {
    if (share.isTooSmall()) {
      throw AttemptException.of(FailureKind.DEADLINE_EXCEEDED, timeLeftMessage(share.remaining()));
    }
  }

  private static String timeLeftMessage(long nanos) {
    return nanos <= 0
        ? "the deadline left no time for it"
        : "the deadline left it " + Deadline.text(nanos) + ", too little to ask";
  }

  private Step onAnswer(TimedAttempt asked, ExchangeResult answer) throws AttemptException {
    AttemptBill bill = asked.bill(answer);
    settle(bill);
    ChatResponse response =
        context
            .recorder()
            .response(
                endpoint.config(),
                answer,
                bill,
                asked.elapsed(),
                asked.timeToFirstPiece(),
                context.deadline().elapsed());
    endpoint.refusalStreak().onAnswer();
    endpoint.truncationDetector().onAnswer(repair.request(), answer.usage());
    repair.check(response);
    ChatResponse told = context.recorder().tryComplete(endpoint.config(), response);
    asked.recordTimes(endpoint.latencies());
    permit.onSuccess(context.time().nanos() - enteredAt);
    close();
    endpoint.health().advice().probeOnce();
    endpoint.health().inquiry().onAnswer();
    // Null if the call's other endpoint was first: it has its answer, and this one gives none.
    return told == null ? Step.EXHAUSTED : new Step.Answered(told);
  }

  /** Decides what becomes of the call, and of the endpoint, when an attempt has failed. */
  private Step onFailure(AttemptException failure) {
    boolean asked = attempt != null;
    // A retry that was not made says nothing: what there was before it does.
    AttemptException blamed = asked || previousFailure == null ? failure : previousFailure;
    previousFailure = blamed;
    Attempt told = report(failure);
    boolean stops = mustStop(failure);
    boolean goesOn = !stops && context.sink().tryRestart(told);
    reportRestart();
    if (goesOn && asked && (tryRepair(failure) || scheduleRetry(failure))) {
      return Step.CONTINUE;
    }
    AttemptException streak =
        asked ? endpoint.refusalStreak().onFailure(blamed, context.request()) : null;
    if (streak == null) {
      permit.onFailure(blamed, context.time().nanos() - enteredAt);
    } else {
      permit.onRefused(streak);
    }
    close();
    if (stops) {
      throw stopException(failure);
    }
    if (!goesOn) {
      throw context.recorder().streamBroken(failure.message(), context.sink().shown());
    }
    return Step.EXHAUSTED;
  }

  /** Not where another call has found out meanwhile that the endpoint is down. */
  private boolean tryRepair(AttemptException failure) {
    return permit.isCurrent() && !share.isTooSmall() && repair.tryRepair(failure);
  }

  private boolean mustStop(AttemptException failure) {
    boolean filtered = failure.kind() == FailureKind.CONTENT_FILTERED;
    return FailurePolicy.of(failure.kind()).action() == FailurePolicy.CallAction.STOP
        && !(filtered && context.request().continueWhenFiltered());
  }

  private LlmException stopException(AttemptException failure) {
    if (failure.kind() != FailureKind.CONTENT_FILTERED) {
      return context.recorder().stopped(failure.message());
    }
    String why = "endpoint '" + endpoint.config().name() + "' refuses: " + failure.message();
    String shown = context.sink().shown();
    return shown.isEmpty()
        ? context.recorder().stopped(why)
        : context.recorder().streamBroken(why, shown);
  }

  /** Records the end of an attempt whose answer nobody reads any further. */
  void abort(String why) {
    if (attempt != null) {
      report(AttemptException.of(FailureKind.CANCELLED, why));
    }
  }

  private Attempt report(AttemptException failure) {
    TimedAttempt ended = attempt;
    settle(ended == null ? AttemptBill.NONE : ended.bill(failure));
    if (ended == null) {
      return context.recorder().attemptSkipped(endpoint.config(), failure);
    }
    ended.end();
    attempt = null;
    return context.recorder().attemptFailed(endpoint.config(), failure, ended.elapsed());
  }

  /** Settles what the last attempt had reserved, once. */
  private void settle(AttemptBill bill) {
    BudgetHold held = hold;
    hold = null;
    if (held != null) {
      held.settle(bill);
    }
  }

  private boolean scheduleRetry(AttemptException failure) {
    if (!permit.isCurrent()) {
      return false;
    }
    if (FailurePolicy.of(failure.kind()).effect() == HealthEffect.COOL_DOWN) {
      // Others must know at once, even if this call waits for the end of it.
      permit.onFailure(failure, context.time().nanos() - enteredAt);
    }
    Optional<Duration> backoff =
        RetryPolicy.backoff(endpoint, failure, nextRetry, share.remainingToWait());
    if (backoff.isEmpty()) {
      return false;
    }
    nextRetry++;
    delayedRetry = new DelayedRetry(failure, backoff.get());
    return true;
  }

  /** A retry that is due, with the failure before it. */
  private record DelayedRetry(AttemptException failure, Duration delay) {}

  /**
   * Waits for the retry, in a step of its own, so that a reader hears of the failure before. The
   * endpoint may have gone down meanwhile, or be half-open with another call as its trial.
   */
  private boolean awaitRetryAndReenter(DelayedRetry before) {
    delayedRetry = null;
    context.deadline().onWait();
    CancellableWait.sleep(context.time(), before.delay().toNanos(), token);
    context.throwIfCancelled(token);
    try {
      permit.renew();
      return true;
    } catch (AttemptException refusal) {
      permit.onFailure(before.failure(), context.time().nanos() - enteredAt);
      close();
      return false;
    }
  }

  /** Called when the reader has what has come so far, and takes time. */
  void onReaderIdle() {
    if (attempt != null) {
      attempt.onReaderIdle();
    }
  }

  /** Ends an attempt that has neither failed nor answered: the call does not want it any more. */
  private void endUnfinished() {
    TimedAttempt unfinished = attempt;
    if (unfinished != null) {
      unfinished.end();
      settle(unfinished.bill(AttemptException.of(FailureKind.CANCELLED, "abandoned")));
    }
    settle(AttemptBill.NONE);
  }

  /** Ends the attempt and gives back the admission, once. */
  void close() {
    if (closed) {
      return;
    }
    closed = true;
    try {
      loadWait.addAskedTime(endpoint, context.time().nanos() - enteredAt);
      endUnfinished();
    } finally {
      admission.close();
    }
  }
}
