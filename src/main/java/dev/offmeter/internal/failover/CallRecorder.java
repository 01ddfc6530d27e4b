// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import dev.offmeter.AllEndpointsFailedException;
import dev.offmeter.Attempt;
import dev.offmeter.BudgetExceededException;
import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmException;
import dev.offmeter.guard.BudgetStatus;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.UserCode;
import dev.offmeter.internal.http.EndpointConfig;
import dev.offmeter.internal.http.ExchangeResult;
import dev.offmeter.internal.http.PartialAnswer;
import dev.offmeter.internal.meter.AttemptBill;
import dev.offmeter.internal.meter.MeterRecorder;
import dev.offmeter.internal.time.TimeSource;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.observe.Runaway;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Records the attempts of one call in order, and notifies the listener as they happen. A hedged
 * call has two at once; the first that answers ends the record. Guarded by a lock, because the
 * attempts run on two threads then.
 */
final class CallRecorder {
  private final long call;
  private final ChatRequest request;
  private final boolean streamed;
  private final Map<String, String> tags;
  private final LlmListener listener;
  private final MeterRecorder meter;
  private final TimeSource time;
  private final ReentrantLock lock = new ReentrantLock();

  // All below: guarded by the lock, within which the listener is told, so that it hears of two
  // attempts at once one after the other.

  private final List<Attempt> attempts = new ArrayList<>(2);
  private final List<StartedAttempt> running = new ArrayList<>(2);
  private @Nullable Attempt lastUnanswered;
  private int started;
  private boolean ended;
  private boolean answered;

  /**
   * An attempt that is running.
   *
   * @param number in the order in which they began, from 1
   */
  private record StartedAttempt(
      EndpointConfig config, TimedAttempt attempt, int number, long since) {}

  CallRecorder(
      long call,
      ChatRequest request,
      boolean streamed,
      TimeSource time,
      LlmListener listener,
      MeterRecorder meter) {
    this.call = call;
    this.request = request;
    this.streamed = streamed;
    this.tags = request.tags();
    this.time = time;
    this.listener = listener;
    this.meter = meter;
    listener.onCallStarted(call, tags);
  }

  private <T> T withLock(Supplier<T> telling) {
    lock.lock();
    try {
      return telling.get();
    } finally {
      lock.unlock();
    }
  }

  void attemptStarted(EndpointConfig config, TimedAttempt attempt) {
    boolean unused = withLock(() -> !ended && recordStart(config, attempt));
  }

  private boolean recordStart(EndpointConfig config, TimedAttempt attempt) {
    reportFallback(config.name());
    started++;
    running.add(new StartedAttempt(config, attempt, started, time.nanos()));
    listener.onAttemptStarted(call, config.name(), config.model());
    return true;
  }

  Attempt attemptSkipped(EndpointConfig config, AttemptException failure) {
    return withLock(
        () ->
            ended
                ? toAttempt(config, failure, Duration.ZERO)
                : skipUnlessRepeated(config, failure));
  }

  private Attempt skipUnlessRepeated(EndpointConfig config, AttemptException failure) {
    Attempt before = attempts.isEmpty() ? null : attempts.get(attempts.size() - 1);
    if (before != null && isRepeated(before, config, failure)) {
      return before;
    }
    return recordSkip(config, failure, Duration.ZERO);
  }

  private Attempt recordSkip(EndpointConfig config, AttemptException failure, Duration elapsed) {
    reportFallback(config.name());
    Attempt attempt = addAttempt(toAttempt(config, failure, elapsed));
    listener.onAttemptSkipped(call, attempt);
    return attempt;
  }

  /** Records an endpoint that was waited for and not asked. */
  void waitFailed(EndpointConfig config, AttemptException failure, long nanos) {
    Attempt unused =
        withLock(
            () ->
                ended
                    ? toAttempt(config, failure, Duration.ZERO)
                    : recordSkip(config, failure, Duration.ofNanos(nanos)));
  }

  /**
   * Returns whether the attempt repeats the last one: without another endpoint, a call tries again
   * and is rejected for a reason that it knows already.
   */
  private static boolean isRepeated(
      Attempt before, EndpointConfig config, AttemptException failure) {
    Optional<FailureKind> known = before.failure();
    boolean open = known.filter(FailureKind.CIRCUIT_OPEN::equals).isPresent();
    return failure.kind() == FailureKind.CIRCUIT_OPEN
        && before.endpoint().equals(config.name())
        && (open ? before.openedBy() : known).equals(failure.openedBy());
  }

  /** Records that a stream takes back what it has shown, because of {@code attempt}. */
  void streamRestarted(Attempt attempt) {
    boolean unused =
        withLock(
            () -> {
              if (!ended) {
                listener.onStreamRestarted(call, attempt);
              }
              return ended;
            });
  }

  /** Opens what the listeners have in effect while the endpoint is asked, on this thread. */
  LlmListener.Scope openScope(EndpointConfig config) {
    return listener.openScope(call, config.name());
  }

  Attempt attemptFailed(EndpointConfig config, AttemptException failure, long nanos) {
    return withLock(() -> recordEnd(config, failure, Duration.ofNanos(nanos)));
  }

  /** Records an end once: the first answer has recorded the end of the others. */
  private Attempt recordEnd(EndpointConfig config, AttemptException failure, Duration elapsed) {
    StartedAttempt begun = removeRunning(config);
    if (begun == null) {
      return toAttempt(config, failure, elapsed);
    }
    AttemptBill bill = begun.attempt().bill(failure);
    Attempt attempt = addAttempt(billed(toAttempt(config, failure, elapsed).toBuilder(), bill));
    meterEnd(config, attempt, begun);
    listener.onAttemptEnded(call, attempt);
    if (failure.kind() == FailureKind.RUNAWAY) {
      listener.onRunawayStopped(call, runaway(config, begun.attempt().partialAnswer()));
    }
    return attempt;
  }

  private void meterEnd(EndpointConfig config, Attempt attempt, @Nullable StartedAttempt begun) {
    meter.onAttemptEnded(attempt, config.model(), config.price(), tags);
    int number = begun == null ? started : begun.number();
    meter.logAttempt(call, number, request, config.model(), streamed, attempt);
  }

  private static Runaway runaway(EndpointConfig config, PartialAnswer answer) {
    return new Runaway(
        config.name(),
        config.origin(),
        answer.isRepeating() ? Runaway.Kind.REPETITION : Runaway.Kind.BEYOND_LIMIT,
        (long) answer.text().length() + answer.thinking().length());
  }

  private @Nullable StartedAttempt removeRunning(EndpointConfig config) {
    for (StartedAttempt begun : running) {
      if (begun.config().name().equals(config.name())) {
        running.remove(begun);
        return begun;
      }
    }
    return null;
  }

  /** Returns the record of an attempt with its bill. */
  static Attempt billed(Attempt.Builder attempt, AttemptBill bill) {
    return attempt
        .usage(bill.usage())
        .computeTime(bill.computeTime())
        .cost(bill.cost())
        .possiblyBilled(bill.possiblyBilled())
        .build();
  }

  private Attempt addAttempt(Attempt attempt) {
    attempts.add(attempt);
    lastUnanswered = attempt;
    return attempt;
  }

  static Attempt toAttempt(EndpointConfig config, AttemptException failure, Duration elapsed) {
    Attempt.Builder attempt =
        Attempt.builder(config.name())
            .origin(config.origin())
            .provider(config.provider())
            .model(config.model())
            .failure(failure.kind())
            .status(failure.status())
            .message(failure.message())
            .elapsed(elapsed);
    failure.openedBy().ifPresent(attempt::openedBy);
    return attempt.build();
  }

  /** Reports a fall-through; a further try at the same endpoint is none. */
  private void reportFallback(String next) {
    Attempt before = lastUnanswered;
    if (before != null && !before.endpoint().equals(next)) {
      listener.onFallback(call, before, next);
    }
    lastUnanswered = null;
  }

  /** Returns the answer as the caller would get it; no listener has been notified yet. */
  ChatResponse response(
      EndpointConfig config,
      ExchangeResult answer,
      AttemptBill bill,
      long nanos,
      Duration first,
      long total) {
    String model = answer.model().isEmpty() ? config.model() : answer.model();
    Attempt attempt =
        billed(
            Attempt.builder(config.name())
                .origin(config.origin())
                .provider(config.provider())
                .model(model)
                .status(answer.status())
                .elapsed(Duration.ofNanos(nanos)),
            bill);
    return ChatResponse.builder()
        .text(answer.text())
        .thinking(answer.thinking())
        .endpoint(config.name())
        .model(model)
        .usage(answer.usage())
        .finishReason(answer.finishReason())
        .toolCalls(answer.toolCalls())
        .attempts(attemptsWith(attempt))
        .elapsed(Duration.ofNanos(total))
        .timeToFirstToken(first)
        .baselineCost(meter.baselineCost(attempt))
        .build();
  }

  private List<Attempt> attemptsWith(Attempt last) {
    return withLock(
        () -> {
          List<Attempt> all = new ArrayList<>(attempts);
          all.add(last);
          return all;
        });
  }

  /**
   * Ends the call with this answer.
   *
   * @return the response with all attempts; null if another answer came first
   */
  @Nullable ChatResponse tryComplete(EndpointConfig config, ChatResponse response) {
    return withLock(() -> ended ? null : complete(config, response));
  }

  /** Returns whether the call has been answered. */
  boolean isAnswered() {
    return withLock(() -> answered);
  }

  private ChatResponse complete(EndpointConfig config, ChatResponse response) {
    ended = true;
    answered = true;
    StartedAttempt begun = removeRunning(config);
    Attempt attempt = response.attempts().get(response.attempts().size() - 1);
    ChatResponse whole = response;
    if (!running.isEmpty()) {
      endRunning(AttemptException.of(FailureKind.CANCELLED, "another endpoint answered first"));
      whole = response.toBuilder().attempts(attemptsWith(attempt)).build();
    }
    attempts.add(attempt);
    meterEnd(config, attempt, begun);
    meter.onCallAnswered(whole, config.model(), tags);
    listener.onAttemptEnded(call, attempt);
    listener.onCallAnswered(call, whole);
    return whole;
  }

  private void endRunning(AttemptException failure) {
    for (StartedAttempt other : List.copyOf(running)) {
      recordEnd(other.config(), failure, Duration.ofNanos(time.nanos() - other.since()));
    }
  }

  /**
   * Returns the exception of a call that has no endpoint left.
   *
   * @param budget the budget that kept it from one
   */
  LlmException exhausted(long total, Optional<Duration> retryAfter, Optional<BudgetStatus> budget) {
    return endCall(
        "the call has ended",
        () ->
            budget.isPresent()
                ? new BudgetExceededException(budget.get(), attempts)
                : new AllEndpointsFailedException(attempts, Duration.ofNanos(total), retryAfter));
  }

  /** Returns the exception of a call that its budget rejects before it has begun. */
  LlmException rejected(BudgetStatus budget) {
    return endCall("the call has ended", () -> new BudgetExceededException(budget, attempts));
  }

  LlmException rejected(LlmException rejection) {
    return endCall("the call was rejected", () -> rejection);
  }

  LlmException stopped(String why) {
    return endCall(why, () -> new LlmException("the call was stopped: " + why, attempts));
  }

  /**
   * Returns the exception of a stream that broke off after some of it was shown, and may not start
   * again.
   */
  LlmException streamBroken(String why, String shown) {
    String what = "the answer broke off after " + shown.length() + " characters: " + why;
    return endCall(why, () -> new LlmException(what, attempts, shown));
  }

  /**
   * Ends the call after an error of the library. Attempts that have started are ended too, so that
   * a listener sees every start end.
   */
  LlmException failedInternally(Throwable error) {
    String what = UserCode.describe(error);
    AttemptException failure = AttemptException.of(FailureKind.INTERNAL, what);
    return endCall(failure, () -> new LlmException("the call was broken off by " + what, attempts));
  }

  private LlmException endCall(String why, Supplier<LlmException> exception) {
    return endCall(AttemptException.of(FailureKind.CANCELLED, why), exception);
  }

  /** Ends the call once; after an answer no listener is notified any more. */
  private LlmException endCall(AttemptException ofOthers, Supplier<LlmException> exception) {
    return withLock(
        () -> {
          if (ended) {
            return exception.get();
          }
          endRunning(ofOthers);
          LlmException ending = exception.get();
          // Not before: an error while the exception is made must not keep the call's end untold.
          ended = true;
          meter.onCallFailed(tags);
          listener.onCallFailed(call, ending);
          return ending;
        });
  }
}
