// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import dev.offmeter.Attempt;
import dev.offmeter.ChatRequest;
import dev.offmeter.FailureKind;
import dev.offmeter.Usage;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.budget.BudgetHold;
import dev.offmeter.internal.budget.BudgetKeeper;
import dev.offmeter.internal.budget.StoreWait;
import dev.offmeter.internal.http.EndpointConfig;
import dev.offmeter.internal.http.Transport;
import dev.offmeter.internal.meter.AttemptBill;
import dev.offmeter.internal.meter.MeterRecorder;
import dev.offmeter.internal.meter.TokenEstimator;
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
  private static final ChatRequest QUESTION =
      ChatRequest.builder().user("Reply with OK.").maxTokens(1).build();

  private static final Usage ESTIMATE =
      new Usage(TokenEstimator.ofRequest(QUESTION), 1).asNotReported();

  private final TimeSource time;
  private final BudgetKeeper budgets;
  private final MeterRecorder meter;
  private final boolean tokens;
  private final CancellationToken token;
  private volatile Transport.@Nullable Diagnostics running;

  /**
   * Creates a diagnoser.
   *
   * @param tokens whether each server is asked for a token, which counts in budgets and the meter
   */
  Diagnoser(
      TimeSource time,
      BudgetKeeper budgets,
      MeterRecorder meter,
      boolean tokens,
      CancellationToken token) {
    this.time = time;
    this.budgets = budgets;
    this.meter = meter;
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
    Room room = tokens && !config.isLocal() ? takeRequest(endpoint) : Room.UNNEEDED;
    AttemptException spent = room.refusal();
    boolean asks = tokens && spent == null;
    AttemptBill bill = AttemptBill.NONE;
    try (Transport.Diagnostics diagnostics =
        endpoint.exchangeFactory().diagnostics(asks ? QUESTION : null)) {
      if (diagnostics != null) {
        long begun = time.nanos();
        run(diagnostics, facts);
        bill = bill(config, diagnostics.usage(), time.nanos() - begun);
      }
    } finally {
      settle(config, room.hold(), bill);
    }
    AnswerStep answerStep = new AnswerStep(config, asks, spent, token.recordInterrupt() != null);
    List<Finding> findings = new ArrayList<>();
    for (Topic topic : Topic.values()) {
      findings.add(finding(topic, facts, answerStep));
    }
    return findings;
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

  /** Takes one from the requests of the minute, and reserves it in the budgets. */
  private Room takeRequest(GuardedEndpoint endpoint) {
    StoreWait wait = new StoreWait(() -> Long.MAX_VALUE, token);
    try {
      endpoint.rateLimiter().take(time.nanos());
      return new Room(
          budgets.forCall(QUESTION, false).reserve(endpoint.config(), QUESTION, wait), null);
    } catch (AttemptException refusal) {
      return new Room(null, refusal);
    }
  }

  /** What was reserved for the question, or why there is no room for it. */
  private record Room(@Nullable BudgetHold hold, @Nullable AttemptException refusal) {
    static final Room UNNEEDED = new Room(null, null);
  }

  private static AttemptBill bill(EndpointConfig config, @Nullable Usage usage, long nanos) {
    if (usage == null) {
      return AttemptBill.NONE;
    }
    return usage.reported()
        ? AttemptBill.complete(config.price(), usage, nanos)
        : AttemptBill.givenUp(config.price(), ESTIMATE, nanos);
  }

  private void settle(EndpointConfig config, @Nullable BudgetHold hold, AttemptBill bill) {
    if (hold != null) {
      hold.settle(bill);
    }
    if (!bill.equals(AttemptBill.NONE)) {
      Attempt question =
          Attempt.builder(config.name())
              .origin(config.origin())
              .model(config.model())
              .usage(bill.usage())
              .computeTime(bill.computeTime())
              .cost(bill.cost())
              .possiblyBilled(bill.possiblyBilled())
              .build();
      meter.onAttemptEnded(question, config.model(), config.price(), Map.of());
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
