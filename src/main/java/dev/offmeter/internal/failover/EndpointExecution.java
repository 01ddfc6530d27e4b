// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import dev.offmeter.Attempt;
import dev.offmeter.ChatResponse;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmException;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.UserCode;
import dev.offmeter.internal.circuit.EndpointCircuitBreaker;
import dev.offmeter.internal.circuit.HealthEffect;
import dev.offmeter.internal.http.ExchangeResult;
import dev.offmeter.internal.time.CancellationToken;
import java.time.Duration;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * One call's stay at one endpoint, from when it was let in until it leaves: one attempt, and the
 * retries that the endpoint allows and the deadline leaves room for. Whatever happens, it must
 * {@link #close()}.
 */
final class EndpointExecution {
  private final FailoverCall call;
  private final GuardedEndpoint endpoint;
  private final EndpointCircuitBreaker.Permit permit;
  private final DeadlineShare share;
  private final CancellationToken token;
  private final long enteredAt;
  private final AnswerRepair repair;
  private @Nullable AttemptException previousFailure;
  private int nextRetry = 1;
  private boolean closed;
  private boolean startReported;
  private @Nullable TimedAttempt attempt;
  private @Nullable DelayedRetry delayedRetry;

  EndpointExecution(
      FailoverCall call,
      GuardedEndpoint endpoint,
      EndpointCircuitBreaker.Permit permit,
      DeadlineShare share,
      CancellationToken token) {
    this.call = call;
    this.endpoint = endpoint;
    this.permit = permit;
    this.share = share;
    this.token = token;
    this.repair =
        new AnswerRepair(endpoint.config().defaults().apply(call.request()), call.validator());
    this.enteredAt = call.time().nanos();
  }

  /** Tells of the attempt before it is made, once. */
  void reportStart() {
    if (!startReported) {
      startReported = true;
      call.recorder().attemptStarted(endpoint.config());
    }
  }

  /** Whether it can be ended by this. */
  boolean isRunBy(CancellationToken token) {
    return this.token == token;
  }

  /** Whether the call has moved on. */
  boolean isClosed() {
    return closed;
  }

  /**
   * Reads on.
   *
   * @return the answer; null while there is more to come, or when this visit is over without one
   */
  @Nullable ChatResponse advance() {
    try {
      if (delayedRetry != null && !awaitRetryAndReenter(delayedRetry)) {
        return null;
      }
      TimedAttempt asked = attempt == null ? startAttempt() : attempt;
      ExchangeResult answer = asked.next();
      call.sink().onProgress(asked);
      if (asked.isDelivering()) {
        permit.onDelivery();
      }
      return answer == null ? null : onAnswer(asked, answer);
    } catch (AttemptException failure) {
      onFailure(failure);
      return null;
    } catch (LlmException e) {
      throw e;
    } catch (LinkageError e) {
      onFailure(LinkageErrors.failure(e));
      return null;
    } catch (Throwable e) {
      onFailure(AttemptException.of(FailureKind.INTERNAL, UserCode.describe(e)));
      return null;
    }
  }

  private TimedAttempt startAttempt() throws AttemptException {
    checkTimeLeft();
    endpoint.rateLimiter().take(call.time().nanos());
    if (permit.isTrial()) {
      // One that has idled through an outage may lead nowhere, and the trial would fail for that.
      endpoint.exchangeFactory().dropIdleConnections();
    }
    // Made before the listener hears of it, so that its share covers the listener too.
    TimedAttempt asked = call.newAttempt(endpoint, repair.request(), share.remaining(), token);
    reportStart();
    startReported = false;
    attempt = asked;
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

  private @Nullable ChatResponse onAnswer(TimedAttempt asked, ExchangeResult answer)
      throws AttemptException {
    ChatResponse response =
        call.recorder()
            .response(
                endpoint.config(),
                answer,
                asked.elapsed(),
                asked.timeToFirstPiece(),
                call.deadline().elapsed());
    endpoint.refusalStreak().onAnswer();
    endpoint.truncationDetector().onAnswer(repair.request(), answer.usage());
    repair.check(response);
    ChatResponse told = call.recorder().tryComplete(endpoint.config(), response);
    asked.recordTimes(endpoint.latencies());
    permit.onSuccess(call.time().nanos() - enteredAt);
    close();
    endpoint.health().advice().probeOnce();
    return told;
  }

  /** What becomes of the call, and of the endpoint, when an attempt has failed. */
  private void onFailure(AttemptException failure) {
    boolean asked = attempt != null;
    // A retry that was not made says nothing: what there was before it does.
    AttemptException blamed = asked || previousFailure == null ? failure : previousFailure;
    previousFailure = blamed;
    Attempt told = report(failure);
    boolean stops = mustStop(failure);
    boolean goesOn = !stops && call.sink().tryRestart(told);
    if (goesOn && asked && (tryRepair(failure) || scheduleRetry(failure))) {
      return;
    }
    AttemptException streak =
        asked ? endpoint.refusalStreak().onFailure(blamed, call.request()) : null;
    if (streak == null) {
      permit.onFailure(blamed, call.time().nanos() - enteredAt);
    } else {
      permit.onRefused(streak);
    }
    close();
    if (stops) {
      throw stopException(failure);
    }
    if (!goesOn) {
      throw call.recorder().streamBroken(failure.message(), call.sink().shown());
    }
  }

  /** Another call may have found out meanwhile that the endpoint is down. */
  private boolean tryRepair(AttemptException failure) {
    return permit.isCurrent() && !share.isTooSmall() && repair.tryRepair(failure);
  }

  private boolean mustStop(AttemptException failure) {
    boolean filtered = failure.kind() == FailureKind.CONTENT_FILTERED;
    return FailurePolicy.of(failure.kind()).action() == FailurePolicy.CallAction.STOP
        && !(filtered && call.request().continueWhenFiltered());
  }

  private LlmException stopException(AttemptException failure) {
    if (failure.kind() != FailureKind.CONTENT_FILTERED) {
      return call.recorder().stopped(failure.message());
    }
    String why = "endpoint '" + endpoint.config().name() + "' refuses: " + failure.message();
    String shown = call.sink().shown();
    return shown.isEmpty()
        ? call.recorder().stopped(why)
        : call.recorder().streamBroken(why, shown);
  }

  /** It was let in, and there is no thread that could ask. */
  void abandon() {
    report(AttemptException.of(FailureKind.INTERNAL, UserCode.NO_THREAD));
    close();
  }

  /** Nobody reads on. */
  void abort(String why) {
    if (attempt != null) {
      report(AttemptException.of(FailureKind.CANCELLED, why));
    }
  }

  private Attempt report(AttemptException failure) {
    TimedAttempt ended = attempt;
    if (ended == null) {
      return startReported
          ? call.recorder().attemptFailed(endpoint.config(), failure, 0)
          : call.recorder().attemptSkipped(endpoint.config(), failure);
    }
    ended.end();
    attempt = null;
    return call.recorder().attemptFailed(endpoint.config(), failure, ended.elapsed());
  }

  private boolean scheduleRetry(AttemptException failure) {
    if (!permit.isCurrent()) {
      return false;
    }
    if (FailurePolicy.of(failure.kind()).effect() == HealthEffect.COOL_DOWN) {
      // Others must know at once, even if this call waits for the end of it.
      permit.onFailure(failure, call.time().nanos() - enteredAt);
    }
    Optional<Duration> pause =
        call.retryPolicy().backoff(endpoint, failure, nextRetry, share.remainingToWait());
    if (pause.isEmpty()) {
      return false;
    }
    nextRetry++;
    delayedRetry = new DelayedRetry(failure, pause.get());
    return true;
  }

  /** After a failure that is to be retried: how long to wait first. */
  private record DelayedRetry(AttemptException failure, Duration delay) {}

  /**
   * Waits for the retry, in a step of its own, so that a reader hears of the failure before. The
   * endpoint may have gone down meanwhile, or be on trial with another call.
   */
  private boolean awaitRetryAndReenter(DelayedRetry before) {
    delayedRetry = null;
    call.deadline().onWait();
    call.retryPolicy().sleep(before.delay(), token);
    call.throwIfCancelled(token);
    try {
      permit.renew();
      return true;
    } catch (AttemptException refusal) {
      permit.onFailure(before.failure(), call.time().nanos() - enteredAt);
      close();
      return false;
    }
  }

  /** The reader has what has come so far, and takes his time. */
  void onReaderIdle() {
    if (attempt != null) {
      attempt.onReaderIdle();
    }
  }

  /** Gives back what this visit holds, once. */
  void close() {
    if (closed) {
      return;
    }
    closed = true;
    call.onEndpointLeft(endpoint, call.time().nanos() - enteredAt);
    try {
      if (attempt != null) {
        attempt.end();
      }
    } finally {
      permit.release();
      call.admissionQueue().release(endpoint);
    }
  }
}
