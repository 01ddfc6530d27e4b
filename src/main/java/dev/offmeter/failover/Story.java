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
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The attempts of one call in order, told to the listener as they happen. */
final class Story {
  private final long call;
  private final LlmListener listener;
  private final List<Attempt> attempts = new ArrayList<>(2);
  private @Nullable EndpointSpec asked;
  private @Nullable Attempt unanswered;

  Story(long call, Map<String, String> tags, LlmListener listener) {
    this.call = call;
    this.listener = listener;
    listener.callStarted(call, tags);
  }

  void asks(EndpointSpec spec) {
    fallThroughTo(spec.name());
    asked = spec;
    listener.attemptStarted(call, spec.name(), spec.model());
  }

  Attempt skips(EndpointSpec spec, Failure failure) {
    fallThroughTo(spec.name());
    Attempt attempt = told(spec, failure, Duration.ZERO);
    listener.attemptSkipped(call, attempt);
    return attempt;
  }

  Attempt failed(EndpointSpec spec, Failure failure, long nanos) {
    Attempt attempt = told(spec, failure, Duration.ofNanos(nanos));
    listener.attemptEnded(call, attempt);
    return attempt;
  }

  private Attempt told(EndpointSpec spec, Failure failure, Duration elapsed) {
    Attempt attempt = attempt(spec, failure, elapsed);
    attempts.add(attempt);
    unanswered = attempt;
    asked = null;
    return attempt;
  }

  static Attempt attempt(EndpointSpec spec, Failure failure, Duration elapsed) {
    return Attempt.builder(spec.name())
        .model(spec.model())
        .failure(failure.kind())
        .status(failure.status())
        .message(failure.message())
        .elapsed(elapsed)
        .build();
  }

  /** A further try at the same endpoint is no fall-through. */
  private void fallThroughTo(String next) {
    Attempt before = unanswered;
    if (before != null && !before.endpoint().equals(next)) {
      listener.fellThrough(call, before, next);
    }
    unanswered = null;
  }

  /** The answer as its caller would get it; nobody has been told of it yet. */
  ChatResponse response(EndpointSpec spec, Answer answer, long nanos, Duration first, long total) {
    String model = answer.model().isEmpty() ? spec.model() : answer.model();
    Attempt attempt =
        Attempt.builder(spec.name())
            .model(model)
            .status(answer.status())
            .elapsed(Duration.ofNanos(nanos))
            .build();
    List<Attempt> all = new ArrayList<>(attempts);
    all.add(attempt);
    return ChatResponse.builder()
        .text(answer.text())
        .thinking(answer.thinking())
        .endpoint(spec.name())
        .model(model)
        .usage(answer.usage())
        .finishReason(answer.finishReason())
        .toolCalls(answer.toolCalls())
        .attempts(all)
        .elapsed(Duration.ofNanos(total))
        .timeToFirstToken(first)
        .build();
  }

  void answered(ChatResponse response) {
    Attempt attempt = response.attempts().get(attempts.size());
    attempts.add(attempt);
    asked = null;
    listener.attemptEnded(call, attempt);
    listener.callAnswered(call, response);
  }

  LlmException exhausted(long total) {
    return ended(new AllEndpointsFailedException(attempts, Duration.ofNanos(total)));
  }

  LlmException stopped(String why) {
    return ended(new LlmException("the call was stopped: " + why, attempts));
  }

  /** The answer broke off when some of it had been shown, and another may not take its place. */
  LlmException cut(String why, String shown) {
    return ended(
        new LlmException(
            "the answer broke off after " + shown.length() + " characters: " + why,
            attempts,
            shown));
  }

  /** Even then, what has started must be seen to end. */
  void brokenOff(Throwable error) {
    EndpointSpec spec = asked;
    String what = error.getClass().getName();
    if (spec != null) {
      failed(spec, Failure.of(FailureKind.INTERNAL, what), 0);
    }
    ended(new LlmException("the call was broken off by " + what, attempts));
  }

  private LlmException ended(LlmException exception) {
    listener.callFailed(call, exception);
    return exception;
  }
}
