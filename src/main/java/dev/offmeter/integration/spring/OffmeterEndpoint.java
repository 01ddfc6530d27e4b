// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.spring;

import dev.offmeter.LlmClient;
import dev.offmeter.guard.BudgetStatus;
import dev.offmeter.meter.Cost;
import dev.offmeter.meter.MeterSnapshot;
import dev.offmeter.meter.MeterTotals;
import dev.offmeter.meter.UsageLogStatus;
import dev.offmeter.observe.EndpointStatus;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import org.springframework.boot.actuate.endpoint.annotation.Endpoint;
import org.springframework.boot.actuate.endpoint.annotation.ReadOperation;
import org.springframework.boot.actuate.endpoint.annotation.WriteOperation;

/**
 * The actuator's endpoint {@code llm}: the state of a client's endpoints, its budgets, and what its
 * calls used and cost; a POST loads the models. Holds no prompt, answer or secret; budgets by
 * session are left out, because a session's name may be one. Safe for use by many threads.
 */
@Endpoint(id = "llm")
@SuppressWarnings("exports")
public final class OffmeterEndpoint {
  private final LlmClient client;

  /** Makes the endpoint of a client. */
  public OffmeterEndpoint(LlmClient client) {
    this.client = Objects.requireNonNull(client, "client");
  }

  /** Returns the state, the budgets and the meter. Nobody is asked. */
  @ReadOperation
  public Map<String, Object> report() {
    Map<String, Object> report = new LinkedHashMap<>();
    report.put("endpoints", endpoints());
    report.put("budgets", budgets());
    report.put("meter", meter(client.meter().snapshot()));
    return report;
  }

  /**
   * Has every self-hosted server load its model, in the background; see {@link LlmClient#warmUp}.
   *
   * @return the state at the beginning of the loads
   */
  @WriteOperation
  public Map<String, Object> warmUp() {
    Objects.requireNonNull(client.warmUp());
    return Map.of("endpoints", endpoints());
  }

  private Map<String, Object> endpoints() {
    Map<String, Object> endpoints = new LinkedHashMap<>();
    client.status().endpoints().forEach(status -> endpoints.put(status.endpoint(), full(status)));
    return endpoints;
  }

  private static Map<String, Object> full(EndpointStatus status) {
    Map<String, Object> full = StatusDetails.of(status);
    EndpointStatus.Latency latency = status.latency();
    if (latency.answers() > 0) {
      full.put(
          "latency",
          Map.of(
              "answers", latency.answers(),
              "firstTokenMedianSeconds", StatusDetails.seconds(latency.firstTokenMedian()),
              "firstToken95Seconds", StatusDetails.seconds(latency.firstToken95()),
              "totalMedianSeconds", StatusDetails.seconds(latency.totalMedian()),
              "total95Seconds", StatusDetails.seconds(latency.total95())));
    }
    if (!status.capabilities().isEmpty()) {
      full.put("capabilities", status.capabilities().stream().map(Enum::name).toList());
    }
    status.contextLength().ifPresent(tokens -> full.put("contextLength", tokens));
    status.queueAlert().ifPresent(alert -> full.put("queueAlert", alert.toString()));
    return full;
  }

  /** Returns the budgets but those by session, whose name may be a secret. */
  private List<Map<String, Object>> budgets() {
    return client.meter().budgets().stream()
        .filter(status -> !status.budget().window().isPerSession())
        .map(OffmeterEndpoint::budget)
        .toList();
  }

  private static Map<String, Object> budget(BudgetStatus status) {
    Map<String, Object> budget = new LinkedHashMap<>();
    budget.put("name", status.budget().name());
    if (!status.scope().isEmpty()) {
      budget.put("scope", status.scope());
    }
    budget.put("limit", status.budget().shown(status.budget().limit()));
    budget.put("window", status.budget().window().toString());
    budget.put("spent", status.budget().shown(status.spent()));
    budget.put("reserved", status.budget().shown(status.reserved()));
    budget.put("left", status.budget().shown(status.left()));
    status.resetsAt().ifPresent(end -> budget.put("resetsAt", StatusDetails.text(end)));
    status
        .projectedExhaustion()
        .ifPresent(end -> budget.put("projectedExhaustion", StatusDetails.text(end)));
    return budget;
  }

  private Map<String, Object> meter(MeterSnapshot snapshot) {
    Map<String, Object> meter = new LinkedHashMap<>();
    meter.put("since", StatusDetails.text(snapshot.since()));
    meter.put("total", totals(snapshot.total()));
    meter.put("byEndpoint", all(snapshot.byEndpoint()));
    meter.put("byModel", all(snapshot.byModel()));
    client.meter().usageLog().ifPresent(log -> meter.put("usageLog", usageLog(log)));
    return meter;
  }

  private static Map<String, Object> all(Map<String, MeterTotals> groups) {
    return groups.entrySet().stream()
        .collect(
            Collectors.toMap(
                Map.Entry::getKey,
                group -> totals(group.getValue()),
                (one, other) -> one,
                LinkedHashMap::new));
  }

  private static Map<String, Object> totals(MeterTotals totals) {
    Map<String, Object> group = new LinkedHashMap<>();
    group.put("calls", totals.calls());
    group.put("failed", totals.failed());
    group.put("inputTokens", totals.inputTokens());
    group.put("outputTokens", totals.outputTokens());
    group.put("computeSeconds", StatusDetails.seconds(totals.computeTime()));
    putIfKnown(group, "cost", totals.cost());
    putIfKnown(group, "saved", totals.saved());
    return group;
  }

  private static Map<String, Object> usageLog(UsageLogStatus log) {
    return Map.of(
        "written", log.written(),
        "waiting", log.waiting(),
        "spilled", log.spilled(),
        "lost", log.lost(),
        "working", log.working());
  }

  private static void putIfKnown(Map<String, Object> group, String name, Cost cost) {
    if (cost.isKnown()) {
      group.put(name, cost.toString());
    }
  }
}
