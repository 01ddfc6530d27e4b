// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.micrometer;

import dev.offmeter.Attempt;
import dev.offmeter.ChatResponse;
import dev.offmeter.LlmException;
import dev.offmeter.observe.LlmListener;
import io.micrometer.observation.Observation;
import io.micrometer.observation.ObservationRegistry;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.UnaryOperator;

/**
 * Makes an observation of each call, {@link MeterNames#CALL}, and below it one of each attempt,
 * {@link MeterNames#ATTEMPT}: give it to {@code LlmClient.builder().listener(..)}. With a tracer,
 * each is a span: that of a call is of the kind CLIENT and is named {@code chat MODEL}. A
 * fall-through, and a stream that starts again, are events of the call.
 *
 * <p>The parent of a call is the observation that is current on the thread of {@code chat}, {@code
 * chatAsync} or {@code publish}, or on the one that reads a {@code ChatStream}. While an attempt's
 * request is sent and the first piece of its answer is awaited, the attempt is the current
 * observation of the thread, a hedge's too: interceptors of the HTTP client find it. Otherwise the
 * caller's stays the current one. Functions, health checks and loads have none.
 *
 * <p>Of a call made by an adapter for another library ({@link LlmListener#ADAPTER_TAG}), which
 * observes the call itself, there are the attempts only, below the observation that is current.
 *
 * <p>No prompt is in them, because a listener is given none, and no answer, unless {@link
 * #withAnswers()}. Safe for use by many threads and clients.
 */
// Were Micrometer required transitively, no module could be compiled against this one without it.
@SuppressWarnings("exports")
public final class OffmeterObservations implements LlmListener {
  private final ObservationRegistry registry;
  private final boolean answers;

  /** The calls of one client that are running; unused in a listener that no client notifies. */
  private final Map<Long, TracedCall> calls = new ConcurrentHashMap<>();

  /** Creates a listener that makes its observations in {@code registry}. */
  public OffmeterObservations(ObservationRegistry registry) {
    this(Objects.requireNonNull(registry, "registry"), false);
  }

  private OffmeterObservations(ObservationRegistry registry, boolean answers) {
    this.registry = registry;
    this.answers = answers;
  }

  /**
   * Returns one that puts the text of an answer into the observation of its call, under {@link
   * MeterNames#OUTPUT_MESSAGES}: what it says about people is then wherever traces are kept.
   */
  public OffmeterObservations withAnswers() {
    return new OffmeterObservations(registry, true);
  }

  @Override
  public LlmListener forClient() {
    return new OffmeterObservations(registry, answers);
  }

  @Override
  public UnaryOperator<Runnable> captureContext() {
    Observation current = registry.getCurrentObservation();
    return current == null ? UnaryOperator.identity() : task -> () -> run(task, current);
  }

  @SuppressWarnings("try") // The scope is for whoever finds it on this thread.
  private void run(Runnable task, Observation observation) {
    try (Scope unused = CurrentObservation.open(observation, registry)) {
      task.run();
    }
  }

  @Override
  public void onCallStarted(long call, Map<String, String> tags) {
    Observation parent = registry.getCurrentObservation();
    Observation own = tags.containsKey(ADAPTER_TAG) ? null : newCall().start();
    calls.put(call, new TracedCall(own == null ? parent : own, own));
  }

  private Observation newCall() {
    return Observation.createNotStarted(MeterNames.CALL, ClientContext::new, registry)
        .contextualName("chat")
        .lowCardinalityKeyValue(MeterNames.OPERATION_NAME, "chat");
  }

  @Override
  public void onAttemptStarted(long call, String endpoint, String model) {
    TracedCall traced = calls.get(call);
    if (traced != null) {
      traced.onAsked(model);
      traced
          .attempts()
          .put(endpoint, new TracedAttempt(newAttempt(traced, endpoint).start(), registry));
    }
  }

  private Observation newAttempt(TracedCall call, String endpoint) {
    Observation attempt =
        Observation.createNotStarted(MeterNames.ATTEMPT, registry)
            .contextualName("attempt " + endpoint)
            .lowCardinalityKeyValue(MeterNames.ENDPOINT, endpoint);
    // Said outright: a hedge runs on another thread, where the call is not the current one.
    Observation parent = call.parent();
    return parent == null ? attempt : attempt.parentObservation(parent);
  }

  @Override
  public Scope openScope(long call, String endpoint) {
    TracedCall traced = calls.get(call);
    TracedAttempt attempt = traced == null ? null : traced.attempts().get(endpoint);
    return attempt == null ? Scope.NONE : attempt.openScope();
  }

  @Override
  public void onAttemptEnded(long call, Attempt attempt) {
    TracedCall traced = calls.get(call);
    TracedAttempt observed = traced == null ? null : traced.attempts().remove(attempt.endpoint());
    if (observed != null) {
      observed.end(attempt);
    }
  }

  @Override
  public void onFallback(long call, Attempt attempt, String next) {
    event(
        call,
        Observation.Event.of(
            MeterNames.FALL_THROUGH_EVENT,
            "fall-through from "
                + attempt.endpoint()
                + " to "
                + next
                + ": "
                + Outcomes.of(attempt)));
  }

  @Override
  public void onStreamRestarted(long call, Attempt attempt) {
    event(
        call,
        Observation.Event.of(
            MeterNames.RESTART_EVENT,
            "restart after " + attempt.endpoint() + ": " + Outcomes.of(attempt)));
  }

  private void event(long call, Observation.Event event) {
    TracedCall traced = calls.get(call);
    Observation own = traced == null ? null : traced.own();
    if (own != null) {
      own.event(event);
    }
  }

  @Override
  public void onCallAnswered(long call, ChatResponse response) {
    TracedCall traced = calls.remove(call);
    Observation own = traced == null ? null : traced.own();
    if (traced == null || own == null) {
      return;
    }
    describe(own, traced, response.attempts(), MeterNames.NONE);
    own.highCardinalityKeyValue(MeterNames.RESPONSE_MODEL, response.model())
        .highCardinalityKeyValue(MeterNames.ENDPOINT, response.endpoint())
        .highCardinalityKeyValue(MeterNames.FINISH_REASONS, response.finishReason().name());
    if (response.usage().reported()) {
      own.highCardinalityKeyValue(
              MeterNames.INPUT_TOKENS, Integer.toString(response.usage().inputTokens()))
          .highCardinalityKeyValue(
              MeterNames.OUTPUT_TOKENS, Integer.toString(response.usage().outputTokens()));
    }
    if (answers) {
      own.highCardinalityKeyValue(MeterNames.OUTPUT_MESSAGES, OutputMessages.json(response));
    }
    own.stop();
  }

  @Override
  public void onCallFailed(long call, LlmException exception) {
    TracedCall traced = calls.remove(call);
    Observation own = traced == null ? null : traced.own();
    if (traced == null || own == null) {
      return;
    }
    describe(own, traced, exception.attempts(), Outcomes.error(exception));
    own.error(exception).stop();
  }

  /** Adds what every call has, in the same keys whatever happened: registries want that. */
  private static void describe(
      Observation own, TracedCall traced, List<Attempt> attempts, String error) {
    Attempt last = attempts.isEmpty() ? null : attempts.get(attempts.size() - 1);
    own.contextualName("chat" + (traced.model().isEmpty() ? "" : " " + traced.model()))
        .lowCardinalityKeyValue(
            MeterNames.PROVIDER_NAME, orNone(last == null ? "" : last.provider()))
        .lowCardinalityKeyValue(MeterNames.REQUEST_MODEL, orNone(traced.model()))
        .lowCardinalityKeyValue(MeterNames.ERROR_TYPE, error);
    ServerAddress server = ServerAddress.of(last == null ? "" : last.origin());
    own.highCardinalityKeyValue(MeterNames.SERVER_ADDRESS, server.host())
        .highCardinalityKeyValue(MeterNames.SERVER_PORT, server.port());
  }

  private static String orNone(String value) {
    return value.isEmpty() ? MeterNames.NONE : value;
  }
}
