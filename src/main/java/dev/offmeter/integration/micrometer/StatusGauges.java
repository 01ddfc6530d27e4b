// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.micrometer;

import dev.offmeter.meter.UsageLogStatus;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.observe.EndpointStatus;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.ToDoubleFunction;
import java.util.function.ToLongFunction;

/** The gauges of one client in one registry. */
final class StatusGauges {
  private final SnapshotReader reader;
  private final Tags tags;
  private final MeterRegistry registry;
  private final Set<String> budgets = ConcurrentHashMap.newKeySet();

  StatusGauges(OffmeterMetrics.Source source, Tags tags, MeterRegistry registry) {
    this.tags = tags;
    this.registry = registry;
    this.reader =
        new SnapshotReader(source, registry.config().clock()::monotonicTime, this::onSnapshot);
  }

  void register() {
    StatusSnapshot first = reader.read();
    List<EndpointStatus> endpoints = first.status().endpoints();
    for (int i = 0; i < endpoints.size(); i++) {
      registerEndpoint(i, tags(endpoints.get(i), i));
    }
    if (first.usageLog().isPresent()) {
      usageLog("written", UsageLogStatus::written);
      usageLog("waiting", UsageLogStatus::waiting);
      usageLog("spilled", UsageLogStatus::spilled);
      usageLog("lost", UsageLogStatus::lost);
    }
  }

  private Tags tags(EndpointStatus endpoint, int index) {
    return tags.and(
        MeterNames.ENDPOINT,
        endpoint.endpoint(),
        MeterNames.ORDER,
        Integer.toString(index + 1),
        MeterNames.TYPE,
        endpoint.origin().isEmpty() ? "function" : "server");
  }

  private void registerEndpoint(int index, Tags tags) {
    for (EndpointState state : EndpointState.values()) {
      gauge(
          MeterNames.ENDPOINT_STATE,
          "1 for the state that an endpoint is in, 0 for the others",
          tags.and(MeterNames.STATE, state.name().toLowerCase(Locale.ROOT)),
          snapshot -> snapshot.endpoint(index).state() == state ? 1 : 0);
    }
    gauge(
        MeterNames.ENDPOINT_IN_FLIGHT,
        "The calls that an endpoint works on now",
        tags,
        snapshot -> snapshot.endpoint(index).inFlight());
    gauge(
        MeterNames.ENDPOINT_QUEUE_ALERT,
        "1 while requests wait longer at an endpoint than is usual there",
        tags,
        snapshot -> snapshot.endpoint(index).queueAlert().isPresent() ? 1 : 0);
  }

  private void usageLog(String state, ToLongFunction<UsageLogStatus> rows) {
    gauge(
        MeterNames.USAGE_LOG_ROWS,
        "The rows of the usage log, by what has become of them",
        tags.and(MeterNames.STATE, state),
        snapshot ->
            snapshot.usageLog().isPresent()
                ? rows.applyAsLong(snapshot.usageLog().get())
                : Double.NaN);
  }

  /** Registers budgets that were not there before: one that counts by a tag appears when used. */
  private void onSnapshot(StatusSnapshot snapshot) {
    snapshot
        .budgets()
        .forEach(
            (name, level) -> {
              if (budgets.add(name)) {
                registerBudget(
                    name, tags.and(MeterNames.BUDGET, name, MeterNames.UNIT, level.unit()));
              }
            });
  }

  private void registerBudget(String name, Tags tags) {
    gauge(
        MeterNames.BUDGET_SPENT,
        "What is spent of a budget in its present window",
        tags,
        snapshot -> snapshot.budget(name, BudgetLevel::spent));
    gauge(
        MeterNames.BUDGET_RESERVED,
        "What running requests may use of a budget at most",
        tags,
        snapshot -> snapshot.budget(name, BudgetLevel::reserved));
    gauge(
        MeterNames.BUDGET_CAP,
        "The limit of a budget",
        tags,
        snapshot -> snapshot.budget(name, BudgetLevel::cap));
  }

  private void gauge(
      String name, String description, Tags tags, ToDoubleFunction<StatusSnapshot> value) {
    Gauge.builder(name, reader.newReading(value), SnapshotReader.Reading::value)
        .description(description)
        .tags(tags)
        .strongReference(true)
        .register(registry);
  }
}
