// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.AllEndpointsFailedException;
import dev.offmeter.Attempt;
import dev.offmeter.ChatResponse;
import dev.offmeter.FailureKind;
import dev.offmeter.LlmException;
import dev.offmeter.endpoint.Answer;
import dev.offmeter.endpoint.EndpointSpec;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.wire.Failure;
import dev.offmeter.wire.ForeignCode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The attempts of one call in order, told to the listener as they happen. Two endpoints may be
 * asked at once; the first that answers is the end of the story.
 */
final class Story {
  private final long call;
  private final LlmListener listener;
  private final ReentrantLock lock = new ReentrantLock();
  private final List<Attempt> attempts = new ArrayList<>(2);
  private final List<Asked> underWay = new ArrayList<>(2);
  private final Time time;
  private @Nullable Attempt unanswered;
  private boolean over;
  private boolean answered;

  private record Asked(EndpointSpec spec, long since) {}

  Story(long call, Map<String, String> tags, Time time, LlmListener listener) {
    this.call = call;
    this.time = time;
    this.listener = listener;
    listener.onCallStarted(call, tags);
  }

  private <T> T locked(Supplier<T> telling) {
    lock.lock();
    try {
      return telling.get();
    } finally {
      lock.unlock();
    }
  }

  void asks(EndpointSpec spec) {
    boolean unused = locked(() -> !over && begins(spec));
  }

  private boolean begins(EndpointSpec spec) {
    fallThroughTo(spec.name());
    underWay.add(new Asked(spec, time.nanos()));
    listener.onAttemptStarted(call, spec.name(), spec.model());
    return true;
  }

  Attempt skips(EndpointSpec spec, Failure failure) {
    return locked(() -> over ? attempt(spec, failure, Duration.ZERO) : passesOver(spec, failure));
  }

  private Attempt passesOver(EndpointSpec spec, Failure failure) {
    Attempt before = attempts.isEmpty() ? null : attempts.get(attempts.size() - 1);
    if (before != null && saysTheSame(before, spec, failure)) {
      return before;
    }
    return passedOver(spec, failure, Duration.ZERO);
  }

  private Attempt passedOver(EndpointSpec spec, Failure failure, Duration elapsed) {
    fallThroughTo(spec.name());
    Attempt attempt = told(spec, failure, elapsed);
    listener.onAttemptSkipped(call, attempt);
    return attempt;
  }

  /** The endpoint was waited for, and not asked. */
  void waitedInVain(EndpointSpec spec, Failure failure, long nanos) {
    Attempt unused =
        locked(
            () ->
                over
                    ? attempt(spec, failure, Duration.ZERO)
                    : passedOver(spec, failure, Duration.ofNanos(nanos)));
  }

  /** With no other endpoint a call knocks again, and is turned away for what it knows already. */
  private static boolean saysTheSame(Attempt before, EndpointSpec spec, Failure failure) {
    Optional<FailureKind> known = before.failure();
    boolean open = known.filter(FailureKind.CIRCUIT_OPEN::equals).isPresent();
    return failure.kind() == FailureKind.CIRCUIT_OPEN
        && before.endpoint().equals(spec.name())
        && (open ? before.openedBy() : known).equals(failure.openedBy());
  }

  Attempt failed(EndpointSpec spec, Failure failure, long nanos) {
    return locked(() -> ends(spec, failure, Duration.ofNanos(nanos)));
  }

  /** Told once: whoever answers first has told of the others. */
  private Attempt ends(EndpointSpec spec, Failure failure, Duration elapsed) {
    if (!underWay.removeIf(asked -> asked.spec().name().equals(spec.name()))) {
      return attempt(spec, failure, elapsed);
    }
    Attempt attempt = told(spec, failure, elapsed);
    listener.onAttemptEnded(call, attempt);
    return attempt;
  }

  private Attempt told(EndpointSpec spec, Failure failure, Duration elapsed) {
    Attempt attempt = attempt(spec, failure, elapsed);
    attempts.add(attempt);
    unanswered = attempt;
    return attempt;
  }

  static Attempt attempt(EndpointSpec spec, Failure failure, Duration elapsed) {
    Attempt.Builder attempt =
        Attempt.builder(spec.name())
            .origin(spec.origin())
            .model(spec.model())
            .failure(failure.kind())
            .status(failure.status())
            .message(failure.message())
            .elapsed(elapsed);
    failure.openedBy().ifPresent(attempt::openedBy);
    return attempt.build();
  }

  /** A further try at the same endpoint is no fall-through. */
  private void fallThroughTo(String next) {
    Attempt before = unanswered;
    if (before != null && !before.endpoint().equals(next)) {
      listener.onFallback(call, before, next);
    }
    unanswered = null;
  }

  /** The answer as its caller would get it; nobody has been told of it yet. */
  ChatResponse response(EndpointSpec spec, Answer answer, long nanos, Duration first, long total) {
    String model = answer.model().isEmpty() ? spec.model() : answer.model();
    Attempt attempt =
        Attempt.builder(spec.name())
            .origin(spec.origin())
            .model(model)
            .status(answer.status())
            .elapsed(Duration.ofNanos(nanos))
            .build();
    return ChatResponse.builder()
        .text(answer.text())
        .thinking(answer.thinking())
        .endpoint(spec.name())
        .model(model)
        .usage(answer.usage())
        .finishReason(answer.finishReason())
        .toolCalls(answer.toolCalls())
        .attempts(and(attempt))
        .elapsed(Duration.ofNanos(total))
        .timeToFirstToken(first)
        .build();
  }

  private List<Attempt> and(Attempt last) {
    return locked(
        () -> {
          List<Attempt> all = new ArrayList<>(attempts);
          all.add(last);
          return all;
        });
  }

  /**
   * The answer is what its caller wants.
   *
   * @return it, with the whole story; null if another came first
   */
  @Nullable ChatResponse answered(EndpointSpec spec, ChatResponse response) {
    return locked(() -> over ? null : wins(spec, response));
  }

  /** Whether it ends well. */
  boolean isAnswered() {
    return locked(() -> answered);
  }

  private ChatResponse wins(EndpointSpec spec, ChatResponse response) {
    over = true;
    answered = true;
    underWay.removeIf(asked -> asked.spec().name().equals(spec.name()));
    Attempt attempt = response.attempts().get(response.attempts().size() - 1);
    ChatResponse whole = response;
    if (!underWay.isEmpty()) {
      endOthers(Failure.of(FailureKind.CANCELLED, "another endpoint answered first"));
      whole = response.toBuilder().attempts(and(attempt)).build();
    }
    attempts.add(attempt);
    listener.onAttemptEnded(call, attempt);
    listener.onCallAnswered(call, whole);
    return whole;
  }

  private void endOthers(Failure failure) {
    for (Asked other : List.copyOf(underWay)) {
      ends(other.spec(), failure, Duration.ofNanos(time.nanos() - other.since()));
    }
  }

  LlmException exhausted(long total, Optional<Duration> retryAfter) {
    return ended(
        "the call has ended",
        () -> new AllEndpointsFailedException(attempts, Duration.ofNanos(total), retryAfter));
  }

  LlmException stopped(String why) {
    return ended(why, () -> new LlmException("the call was stopped: " + why, attempts));
  }

  /** The answer broke off when some of it had been shown, and another may not take its place. */
  LlmException cut(String why, String shown) {
    String what = "the answer broke off after " + shown.length() + " characters: " + why;
    return ended(why, () -> new LlmException(what, attempts, shown));
  }

  /** Even then, what has started must be seen to end. */
  LlmException brokenOff(Throwable error) {
    String what = ForeignCode.described(error);
    Failure failure = Failure.of(FailureKind.INTERNAL, what);
    return ended(failure, () -> new LlmException("the call was broken off by " + what, attempts));
  }

  private LlmException ended(String why, Supplier<LlmException> exception) {
    return ended(Failure.of(FailureKind.CANCELLED, why), exception);
  }

  /** Told once; after an answer nobody is told any more. */
  private LlmException ended(Failure ofOthers, Supplier<LlmException> exception) {
    return locked(
        () -> {
          if (over) {
            return exception.get();
          }
          over = true;
          endOthers(ofOthers);
          LlmException ending = exception.get();
          listener.onCallFailed(call, ending);
          return ending;
        });
  }
}
