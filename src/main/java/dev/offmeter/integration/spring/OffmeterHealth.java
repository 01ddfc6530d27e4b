// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.spring;

import dev.offmeter.ChatRequest;
import dev.offmeter.LlmClient;
import dev.offmeter.observe.EndpointState;
import dev.offmeter.observe.EndpointStatus;
import dev.offmeter.observe.Explanation;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * The health of a client's endpoints in the words of Spring Boot, for the indicators of its two
 * lines. A snapshot of what the client knows: nobody is asked.
 *
 * @param status {@code UP} while any server can answer, or there is none; {@code OUT_OF_SERVICE}
 *     when only a function can; {@code DOWN} when no endpoint can
 * @param details the state of each endpoint by its name, as texts, numbers and maps
 */
public record OffmeterHealth(String status, Map<String, Object> details) {
  private static final ChatRequest ANY = ChatRequest.builder().user("any").build();

  /** Checks for null. */
  public OffmeterHealth {
    Objects.requireNonNull(status, "status");
    Objects.requireNonNull(details, "details");
  }

  /** Returns the health at this moment. */
  public static OffmeterHealth of(LlmClient client) {
    List<EndpointStatus> endpoints = client.status().endpoints();
    Map<String, Object> details = new LinkedHashMap<>();
    endpoints.forEach(status -> details.put(status.endpoint(), StatusDetails.of(status)));
    return new OffmeterHealth(status(client, endpoints), details);
  }

  private static String status(LlmClient client, List<EndpointStatus> endpoints) {
    List<EndpointStatus> servers = endpoints.stream().filter(OffmeterHealth::isServer).toList();
    if (servers.isEmpty() || servers.stream().anyMatch(OffmeterHealth::isNotDown)) {
      return "UP";
    }
    // Where no health check brings an endpoint back, the next call does: without one it would stay
    // DOWN for ever, if this health decided whether there are calls.
    Set<String> asked =
        client.explain(ANY).endpoints().stream()
            .filter(Explanation.Entry::isAsked)
            .map(Explanation.Entry::endpoint)
            .collect(Collectors.toSet());
    if (servers.stream().anyMatch(server -> asked.contains(server.endpoint()))) {
      return "UP";
    }
    boolean onlyServers = servers.size() == endpoints.size();
    return onlyServers ? "DOWN" : "OUT_OF_SERVICE";
  }

  private static boolean isServer(EndpointStatus status) {
    return !status.origin().isEmpty();
  }

  private static boolean isNotDown(EndpointStatus status) {
    return status.state() != EndpointState.DOWN;
  }
}
