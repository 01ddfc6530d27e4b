// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.ChatRequest;
import dev.offmeter.FailureKind;
import dev.offmeter.endpoint.EndpointSpec;
import dev.offmeter.endpoint.Transport;
import dev.offmeter.observe.Diagnosis;
import dev.offmeter.observe.Diagnosis.Finding;
import dev.offmeter.observe.Diagnosis.Outcome;
import dev.offmeter.observe.Diagnosis.Step;
import dev.offmeter.wire.Failure;
import dev.offmeter.wire.Protocol.Fact;
import dev.offmeter.wire.Protocol.Topic;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Future;
import org.jspecify.annotations.Nullable;

/**
 * Finds out of each endpoint what can be found out, past its breaker and without a word to its
 * health. For one diagnosis, on the caller's thread.
 */
final class Diagnoser {
  private static final ChatRequest QUESTION =
      ChatRequest.builder().user("Reply with OK.").maxTokens(1).build();

  private final Time time;
  private final boolean tokens;
  private final Cancellation cancellation;
  private volatile Transport.@Nullable Examination running;

  Diagnoser(Time time, boolean tokens, Cancellation cancellation) {
    this.time = time;
    this.tokens = tokens;
    this.cancellation = cancellation;
    cancellation.whenCancelled(this::cancel);
  }

  private void cancel() {
    Transport.Examination asked = running;
    if (asked != null) {
      asked.cancel();
    }
  }

  Diagnosis of(List<Gate> gates) {
    Map<String, List<Finding>> findings = new LinkedHashMap<>();
    gates.forEach(gate -> findings.put(gate.spec().name(), findings(gate)));
    return new Diagnosis(findings);
  }

  private List<Finding> findings(Gate gate) {
    Map<Topic, Fact> facts = new EnumMap<>(Topic.class);
    EndpointSpec spec = gate.spec();
    String where = spec.isLocal() ? "a function in this process" : spec.origin();
    facts.put(Topic.ADDRESS, Fact.well(Topic.ADDRESS, where));
    Failure spent = tokens && !spec.isLocal() ? spentRate(gate) : null;
    boolean asks = tokens && spent == null;
    try (Transport.Examination examination = gate.opener().examination(asks ? QUESTION : null)) {
      if (examination != null) {
        run(examination, facts);
      }
    }
    Asked asked = new Asked(spec, asks, spent, cancellation.reason() != null);
    List<Finding> findings = new ArrayList<>();
    for (Topic topic : Topic.values()) {
      findings.add(finding(topic, facts, asked));
    }
    return findings;
  }

  /** What decides why a step was left out. */
  private record Asked(EndpointSpec spec, boolean tokens, @Nullable Failure spent, boolean ended) {
    /** Why there was no request for a token. */
    String why() {
      if (spent != null) {
        return spent.message();
      }
      return tokens ? "not asked: the server was too slow before" : "no token asked for";
    }
  }

  private @Nullable Failure spentRate(Gate gate) {
    try {
      gate.rate().take(time.nanos());
      return null;
    } catch (Failure e) {
      return e;
    }
  }

  private void run(Transport.Examination examination, Map<Topic, Fact> facts) {
    running = examination;
    while (!examination.isOver() && cancellation.reason() == null) {
      Future<?> clock = time.after(examination.limit().toNanos(), examination::cancel);
      if (clock == null) {
        // Nothing is asked without a clock.
        break;
      }
      try {
        examination.next().forEach(fact -> facts.merge(fact.topic(), fact, Diagnoser::weightier));
      } finally {
        clock.cancel(false);
      }
    }
    running = null;
    settle(facts);
  }

  /** What is wrong outweighs what is well, and what was told last what was told before. */
  private static Fact weightier(Fact before, Fact now) {
    return before.failure() != null && now.failure() == null ? before : now;
  }

  /** An answer shows that the key and the model are good, whatever was told of them. */
  private static void settle(Map<Topic, Fact> facts) {
    Fact answer = facts.get(Topic.ANSWER);
    if (answer == null) {
      return;
    }
    Failure failure = answer.failure();
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

  private static Finding finding(Topic topic, Map<Topic, Fact> facts, Asked asked) {
    Step step = Step.valueOf(topic.name());
    Fact fact = facts.get(topic);
    Failure failure = fact == null ? null : fact.failure();
    boolean keyless = topic == Topic.KEY && asked.spec().headers().isEmpty();
    if (failure != null) {
      String message = (keyless ? "none is sent, but one is wanted: " : "") + failure.message();
      return new Finding(step, Outcome.FAILED, Optional.of(failure.kind()), message);
    }
    if (keyless && fact != null) {
      return skipped(step, "none is sent, and none was asked for");
    }
    if (topic == Topic.LOADED && isModelMissing(facts)) {
      return skipped(step, "the server does not have the model");
    }
    if (fact != null) {
      return new Finding(step, Outcome.OK, Optional.empty(), fact.detail());
    }
    if (asked.spec().isLocal()) {
      return skipped(step, "");
    }
    if (topic == Topic.TLS && asked.spec().origin().startsWith("http:")) {
      return skipped(step, "none: the address is http");
    }
    if (isBroken(topic, facts)) {
      return skipped(step, "not reached");
    }
    if (asked.ended()) {
      return skipped(step, "the diagnosis was ended before");
    }
    return topic == Topic.ANSWER
        ? skipped(step, asked.why())
        : new Finding(step, Outcome.UNKNOWN, Optional.empty(), "the server does not tell");
  }

  private static Finding skipped(Step step, String why) {
    return new Finding(step, Outcome.SKIPPED, Optional.empty(), why);
  }

  private static boolean isModelMissing(Map<Topic, Fact> facts) {
    Fact model = facts.get(Topic.MODEL);
    Failure failure = model == null ? null : model.failure();
    return failure != null && failure.kind() == FailureKind.MODEL_NOT_FOUND;
  }

  /** Whether the way to the server was broken before this. */
  private static boolean isBroken(Topic topic, Map<Topic, Fact> facts) {
    return facts.values().stream()
        .filter(fact -> fact.topic().compareTo(Topic.ACCESS) <= 0)
        .filter(fact -> fact.topic().compareTo(topic) < 0)
        .anyMatch(fact -> fact.failure() != null);
  }
}
