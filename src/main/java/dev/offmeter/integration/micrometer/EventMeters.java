// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.micrometer;

import dev.offmeter.Attempt;
import dev.offmeter.ChatResponse;
import dev.offmeter.meter.Cost;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tag;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.Timer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/** The meters of Offmeter's own names. Each is looked up in the registry once. */
final class EventMeters {
  private final MeterRegistry registry;
  private final @Nullable String tag;
  private final Map<AttemptKey, Timer> attempts = new ConcurrentHashMap<>();
  private final Map<CounterKey, Counter> counters = new ConcurrentHashMap<>();

  /**
   * Creates meters.
   *
   * @param tag the tag of requests by which costs are told apart; null for none
   */
  EventMeters(MeterRegistry registry, @Nullable String tag) {
    this.registry = registry;
    this.tag = tag;
  }

  private record AttemptKey(String endpoint, String outcome) {}

  /** A counter and the values of its tags; the value of the chosen tag is empty without one. */
  private record CounterKey(EventCounter counter, List<String> values, String tagValue) {}

  /**
   * Counts an attempt that has ended.
   *
   * @param tagValue the call's value of the chosen tag
   */
  void onAttempt(Attempt attempt, String tagValue) {
    String endpoint = attempt.endpoint();
    attempts
        .computeIfAbsent(new AttemptKey(endpoint, Outcomes.of(attempt)), this::attempt)
        .record(attempt.elapsed());
    double seconds = attempt.computeTime().toNanos() / 1e9;
    add(EventCounter.COMPUTE_SECONDS, seconds, tagValue, endpoint);
    Cost cost = attempt.cost();
    if (!cost.isKnown()) {
      count(EventCounter.COST_UNKNOWN, endpoint);
    } else if (!cost.currency().isEmpty()) {
      add(EventCounter.COST, cost.amount().doubleValue(), tagValue, endpoint, cost.currency());
    }
  }

  /** Counts what an answer cost less, or more, than at the client's baseline. */
  void onAnswer(ChatResponse response, String tagValue) {
    Cost saved = response.saved();
    if (saved.isKnown() && !saved.currency().isEmpty()) {
      double amount = saved.amount().doubleValue();
      add(EventCounter.SAVED, Math.max(0, amount), tagValue, saved.currency());
      add(EventCounter.OVERSPENT, Math.max(0, -amount), tagValue, saved.currency());
    }
  }

  /** Counts one event. */
  void count(EventCounter counter, String... values) {
    add(counter, 1, "", values);
  }

  private void add(EventCounter counter, double amount, String tagValue, String... values) {
    counters
        .computeIfAbsent(new CounterKey(counter, List.of(values), tagValue), this::counter)
        .increment(amount);
  }

  private Timer attempt(AttemptKey key) {
    return Timer.builder(MeterNames.ATTEMPTS)
        .description("The duration of an attempt, from its dispatch to its end")
        .tags(MeterNames.ENDPOINT, key.endpoint(), MeterNames.OUTCOME, key.outcome())
        .register(registry);
  }

  private Counter counter(CounterKey key) {
    EventCounter counter = key.counter();
    List<Tag> tags = new ArrayList<>();
    for (int i = 0; i < counter.tags().size(); i++) {
      tags.add(Tag.of(counter.tags().get(i), key.values().get(i)));
    }
    if (tag != null && counter.isTagged()) {
      tags.add(Tag.of(tag, key.tagValue()));
    }
    return Counter.builder(counter.meter())
        .description(counter.description())
        .tags(Tags.of(tags))
        .register(registry);
  }
}
