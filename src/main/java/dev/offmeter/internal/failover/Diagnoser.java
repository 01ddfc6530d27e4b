// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import dev.offmeter.FailureKind;
import dev.offmeter.Usage;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.failover.DiagnosisQuestions.Room;
import dev.offmeter.internal.http.EndpointConfig;
import dev.offmeter.internal.http.Transport;
import dev.offmeter.internal.time.CancellationToken;
import dev.offmeter.internal.time.TimeSource;
import dev.offmeter.internal.wire.Protocol.Fact;
import dev.offmeter.internal.wire.Protocol.Topic;
import dev.offmeter.observe.Diagnosis;
import dev.offmeter.observe.Diagnosis.Finding;
import dev.offmeter.observe.Diagnosis.Outcome;
import dev.offmeter.observe.Diagnosis.Step;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Future;
import org.jspecify.annotations.Nullable;

/**
 * Diagnoses each endpoint step by step, whatever its circuit breaker says, and without an effect on
 * its health. Used for one diagnosis, on the caller's thread.
 */
final class Diagnoser {
  private final TimeSource time;
  private final DiagnosisQuestions questions;
  private final boolean tokens;
  private final CancellationToken token;
  private volatile Transport.@Nullable Diagnostics running;

  /**
   * Creates a diagnoser.
   *
   * @param tokens whether each server is asked for a token
   */
  Diagnoser(
      TimeSource time, DiagnosisQuestions questions, boolean tokens, CancellationToken token) {
    this.time = time;
    this.questions = questions;
    this.tokens = tokens;
    this.token = token;
    token.onCancelled(this::cancel);
  }

  private void cancel() {
    Transport.Diagnostics current = running;
    if (current != null) {
      current.cancel();
    }
  }

  Diagnosis diagnose(List<GuardedEndpoint> endpoints) {
    Map<String, List<Finding>> findings = new LinkedHashMap<>();
    endpoints.forEach(endpoint -> findings.put(endpoint.config().name(), findings(endpoint)));
    return new Diagnosis(findings);
  }

  private List<Finding> findings(GuardedEndpoint endpoint) {
    Map<Topic, Fact> facts = new EnumMap<>(Topic.class);
    EndpointConfig config = endpoint.config();
    String where = config.isLocal() ? "a function in this process" : config.origin();
    facts.put(Topic.ADDRESS, Fact.well(Topic.ADDRESS, where));
    Room room = tokens && !config.isLocal() ? questions.take(endpoint, token) : Room.UNNEEDED;
    boolean asks = tokens && room.refusal() == null;
    try (Transport.Diagnostics diagnostics =
        endpoint.exchangeFactory().diagnostics(asks ? DiagnosisQuestions.REQUEST : null)) {
      if (diagnostics != null) {
        long begun = time.nanos();
        run(diagnostics, facts);
        settle(config, room, diagnostics.usage(), facts, time.nanos() - begun);
      }
    } finally {
      room.giveBack();
    }
    AnswerStep answerStep =
        new AnswerStep(config, asks, room.refusal(), token.recordInterrupt() != null);
    List<Finding> findings = new ArrayList<>();
    for (Topic topic : Topic.values()) {
      findings.add(finding(topic, facts, answerStep));
    }
    return findings;
  }

  private void settle(
      EndpointConfig config, Room room, @Nullable Usage usage, Map<Topic, Fact> facts, long nanos) {
    if (usage != null) {
      Fact answer = facts.get(Topic.ANSWER);
      questions.settle(config, room, usage, answer == null ? null : answer.failure(), nanos);
    }
  }

  /** The facts that decide why a step was skipped. */
  private record AnswerStep(
      EndpointConfig config, boolean tokens, @Nullable AttemptException spent, boolean ended) {
    /** Returns why there was no request for a token. */
    String skippedReason() {
      if (spent != null) {
        return spent.message();
      }
      return tokens ? "not asked: the server was too slow before" : "no token asked for";
    }
  }

  private void run(Transport.Diagnostics diagnostics, Map<Topic, Fact> facts) {
    running = diagnostics;
    while (!diagnostics.isOver() && token.recordInterrupt() == null) {
      Future<?> clock = time.schedule(diagnostics.limit().toNanos(), diagnostics::cancel);
      if (clock == null) {
        // No thread for a timeout: a request without one could hang, so the diagnosis ends.
        break;
      }
      try {
        diagnostics.next().forEach(fact -> facts.merge(fact.topic(), fact, Diagnoser::weightier));
      } finally {
        clock.cancel(false);
      }
    }
    running = null;
    reconcile(facts);
  }

  /** Returns the fact that counts: a problem over a success, and a later one over an earlier. */
  private static Fact weightier(Fact before, Fact now) {
    return before.failure() != null && now.failure() == null ? before : now;
  }

  /** Corrects facts about key and model after an answer, which proves that both are good. */
  private static void reconcile(Map<Topic, Fact> facts) {
    Fact answer = facts.get(Topic.ANSWER);
    if (answer == null) {
      return;
    }
    AttemptException failure = answer.failure();
    if (failure == null) {
      facts.computeIfPresent(Topic.KEY, (topic, fact) -> Fact.well(topic, "by the answer"));
      facts.compute(
          Topic.MODEL,
          (topic, fact) ->
              fact == null || fact.failure() != null ? Fact.well(topic, "it answers") : fact);
      facts.putIfAbsent(Topic.KEY, Fact.well(Topic.KEY, "by the answer"));
      return;
    }
    switch (failure.kind()) {
      case UNAUTHORIZED -> facts.put(Topic.KEY, Fact.wrong(Topic.KEY, failure));
      case MODEL_NOT_FOUND -> facts.put(Topic.MODEL, Fact.wrong(Topic.MODEL, failure));
      default -> {}
    }
  }

  private static Finding finding(Topic topic, Map<Topic, Fact> facts, AnswerStep answerStep) {
    Step step = Step.valueOf(topic.name());
    Fact fact = facts.get(topic);
    AttemptException failure = fact == null ? null : fact.failure();
    boolean keyless = topic == Topic.KEY && answerStep.config().headers().isEmpty();
    if (failure != null) {
      String message =
          (keyless ? "none is sent, but the server requires one: " : "") + failure.message();
      return new Finding(step, Outcome.FAILED, Optional.of(failure.kind()), message);
    }
    if (keyless && fact != null) {
      return skipped(step, "none is sent, and the server requires none");
    }
    if (topic == Topic.LOADED && isModelMissing(facts)) {
      return skipped(step, "the server does not have the model");
    }
    if (fact != null) {
      return new Finding(step, Outcome.OK, Optional.empty(), fact.detail());
    }
    if (answerStep.config().isLocal()) {
      return skipped(step, "");
    }
    if (topic == Topic.TLS && answerStep.config().origin().startsWith("http:")) {
      return skipped(step, "none: the address is http");
    }
    if (isBroken(topic, facts)) {
      return skipped(step, "not reached");
    }
    if (answerStep.ended()) {
      return skipped(step, "the diagnosis was ended before");
    }
    return topic == Topic.ANSWER
        ? skipped(step, answerStep.skippedReason())
        : new Finding(step, Outcome.UNKNOWN, Optional.empty(), "the server does not report it");
  }

  private static Finding skipped(Step step, String why) {
    return new Finding(step, Outcome.SKIPPED, Optional.empty(), why);
  }

  private static boolean isModelMissing(Map<Topic, Fact> facts) {
    Fact model = facts.get(Topic.MODEL);
    AttemptException failure = model == null ? null : model.failure();
    return failure != null && failure.kind() == FailureKind.MODEL_NOT_FOUND;
  }

  /** Returns whether an earlier step shows that the server cannot be reached. */
  private static boolean isBroken(Topic topic, Map<Topic, Fact> facts) {
    return facts.values().stream()
        .filter(fact -> fact.topic().compareTo(Topic.ACCESS) <= 0)
        .filter(fact -> fact.topic().compareTo(topic) < 0)
        .anyMatch(fact -> fact.failure() != null);
  }
}
