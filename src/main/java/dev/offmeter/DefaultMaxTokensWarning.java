// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import dev.offmeter.internal.UserCode;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Warns once per client that an answer ended at a limit that nobody has set, because its caller may
 * not check the finish reason. Safe for use by many threads.
 */
final class DefaultMaxTokensWarning {
  private static final Logger LOG = LoggerFactory.getLogger("dev.offmeter");

  /** The endpoints where the default applies to a request that sets no limit. */
  private final Set<String> endpoints;

  private final AtomicBoolean logged = new AtomicBoolean();

  DefaultMaxTokensWarning(Iterable<Endpoint> endpoints, RequestDefaults clients) {
    Set<String> names = new HashSet<>();
    for (Endpoint endpoint : endpoints) {
      if (clients.maxTokens().isEmpty() && endpoint.maxTokens().isEmpty()) {
        names.add(endpoint.name());
      }
    }
    this.endpoints = Set.copyOf(names);
  }

  void onAnswer(ChatRequest request, ChatResponse response) {
    if (response.finishReason() == FinishReason.LENGTH
        && !request.hasMaxTokens()
        && endpoints.contains(response.endpoint())
        && logged.compareAndSet(false, true)) {
      UserCode.ignore(() -> logOnce(response.endpoint()));
    }
  }

  private static void logOnce(String endpoint) {
    LOG.atWarn()
        .addKeyValue("endpoint", endpoint)
        .log(
            "an answer of {} ended at the default of {} tokens (LENGTH): set maxTokens on the"
                + " request or the endpoint, LlmClient.Builder.defaults, or OFFMETER_MAXTOKENS;"
                + " said once",
            endpoint,
            ChatRequest.DEFAULT_MAX_TOKENS);
  }
}
