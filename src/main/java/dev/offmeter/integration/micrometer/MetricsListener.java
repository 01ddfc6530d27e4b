// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.micrometer;

import dev.offmeter.Attempt;
import dev.offmeter.ChatResponse;
import dev.offmeter.LlmException;
import dev.offmeter.guard.BudgetStatus;
import dev.offmeter.observe.LlmListener;
import dev.offmeter.observe.QueueAlert;
import dev.offmeter.observe.Runaway;
import io.micrometer.core.instrument.MeterRegistry;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * Counts the events of clients in a registry: give it to {@code LlmClient.builder().listener(..)}.
 * {@link MeterNames} has the meters. Immutable but for what it counts, so safe for use by many
 * threads and clients.
 *
 * <p>Of a call made by an adapter for another library ({@link LlmListener#ADAPTER_TAG}), which
 * counts the call itself, the meters of the GenAI convention are left out.
 *
 * <p>The values of tags are names that the configuration chose, failure kinds, and others of which
 * only so many different ones are kept: 100 models that servers report, 50 values of the tag that
 * {@link #withTag} names. Beyond that they are {@code other}. No session, prompt or message is one.
 */
public final class MetricsListener implements LlmListener {
  private static final int MOST_MODELS = 100;
  private static final int MOST_TAG_VALUES = 50;

  private final MeterRegistry registry;
  private final boolean genAi;
  private final @Nullable String tag;
  private final OperationMeters operations;
  private final EventMeters events;
  private final BoundedValues models;
  private final BoundedValues tagValues;

  /** The calls of one client that are running; unused in a listener that no client notifies. */
  private final Map<Long, RunningCall> calls = new ConcurrentHashMap<>();

  MetricsListener(MeterRegistry registry) {
    this(Objects.requireNonNull(registry, "registry"), true, null);
  }

  private MetricsListener(MeterRegistry registry, boolean genAi, @Nullable String tag) {
    this.registry = registry;
    this.genAi = genAi;
    this.tag = tag;
    this.operations = new OperationMeters(registry);
    this.events = new EventMeters(registry, tag);
    this.models = new BoundedValues(MOST_MODELS);
    this.tagValues = new BoundedValues(MOST_TAG_VALUES);
  }

  /** Creates a listener for one more client, which counts in the same meters. */
  private MetricsListener(MetricsListener other) {
    this.registry = other.registry;
    this.genAi = other.genAi;
    this.tag = other.tag;
    this.operations = other.operations;
    this.events = other.events;
    this.models = other.models;
    this.tagValues = other.tagValues;
  }

  /**
   * Returns a listener without the meters of the GenAI convention, which is in development: for an
   * application that wants no names that may change, or has such meters already.
   */
  public MetricsListener withoutGenAi() {
    return new MetricsListener(registry, false, tag);
  }

  /**
   * Returns a listener that tells costs, savings and compute time apart by a tag of the requests,
   * such as {@code feature}. A request without it counts as {@code none}. Choose a tag with few
   * values: the first 50 are kept, the rest is {@code other}.
   *
   * @throws IllegalArgumentException if the tag is blank, or is one that these meters have anyway
   */
  public MetricsListener withTag(String tag) {
    Objects.requireNonNull(tag, "tag");
    boolean taken =
        Arrays.stream(EventCounter.values())
            .filter(EventCounter::isTagged)
            .map(EventCounter::tags)
            .flatMap(List::stream)
            .anyMatch(tag::equals);
    if (tag.isBlank() || taken) {
      throw new IllegalArgumentException(
          "tag must not be blank, and not endpoint or currency, was '" + tag + "'");
    }
    return new MetricsListener(registry, genAi, tag);
  }

  @Override
  public LlmListener forClient() {
    return new MetricsListener(this);
  }

  @Override
  public void onCallStarted(long call, Map<String, String> tags) {
    boolean counted = genAi && !tags.containsKey(ADAPTER_TAG);
    String value = tag == null ? "" : tagValues.of(tags.getOrDefault(tag, ""));
    calls.put(call, new RunningCall(now(), counted, value));
  }

  @Override
  public void onAttemptStarted(long call, String endpoint, String model) {
    RunningCall running = calls.get(call);
    if (running != null) {
      running.onAsked(endpoint, model);
    }
  }

  @Override
  public void onAttemptEnded(long call, Attempt attempt) {
    RunningCall running = calls.get(call);
    events.onAttempt(attempt, running == null ? "" : running.tagValue());
  }

  @Override
  public void onAttemptSkipped(long call, Attempt attempt) {
    events.count(EventCounter.SKIPS, attempt.endpoint(), kind(attempt));
  }

  @Override
  public void onFallback(long call, Attempt attempt, String next) {
    events.count(EventCounter.FALL_THROUGHS, attempt.endpoint(), next, kind(attempt));
  }

  private static String kind(Attempt attempt) {
    return attempt.failure().map(Enum::name).orElse(MeterNames.NONE);
  }

  @Override
  public void onStreamRestarted(long call, Attempt attempt) {
    events.count(EventCounter.RESTARTS, attempt.endpoint());
  }

  @Override
  public void onCallAnswered(long call, ChatResponse response) {
    RunningCall running = calls.remove(call);
    if (running == null) {
      return;
    }
    events.onAnswer(response, running.tagValue());
    if (running.isCounted()) {
      OperationKey key =
          key(running, response.attempts(), models.of(response.model()), MeterNames.NONE);
      operations.onAnswered(key, response);
    }
  }

  @Override
  public void onCallFailed(long call, LlmException exception) {
    RunningCall running = calls.remove(call);
    if (running == null || !running.isCounted()) {
      return;
    }
    operations.onFailed(
        key(running, exception.attempts(), MeterNames.NONE, Outcomes.error(exception)),
        Duration.ofNanos(now() - running.startedAt()));
  }

  /** Returns the tags of a call, those of the server from its last attempt. */
  private static OperationKey key(
      RunningCall running, List<Attempt> attempts, String responseModel, String error) {
    if (attempts.isEmpty()) {
      return new OperationKey(
          MeterNames.NONE, running.model(""), responseModel, MeterNames.NONE, error);
    }
    Attempt last = attempts.get(attempts.size() - 1);
    String provider = last.provider().isEmpty() ? MeterNames.NONE : last.provider();
    return new OperationKey(
        provider, running.model(last.endpoint()), responseModel, last.origin(), error);
  }

  @Override
  public void onRunawayStopped(long call, Runaway runaway) {
    events.count(EventCounter.RUNAWAYS, runaway.endpoint(), runaway.kind().name());
  }

  @Override
  public void onBudgetAlert(BudgetStatus budget, double share) {
    events.count(EventCounter.BUDGET_ALERTS, budget.budget().name());
  }

  @Override
  public void onQueueAlert(QueueAlert alert) {
    events.count(EventCounter.QUEUE_ALERTS, alert.endpoint());
  }

  private long now() {
    return registry.config().clock().monotonicTime();
  }
}
