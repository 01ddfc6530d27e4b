// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.spring;

import dev.offmeter.LlmClient;
import java.util.Objects;
import org.springframework.boot.health.contributor.Health;
import org.springframework.boot.health.contributor.HealthIndicator;

/**
 * The health of a client's endpoints for Spring Boot 4: {@code UP} while any server can answer,
 * {@code OUT_OF_SERVICE} when only a function can, {@code DOWN} when no endpoint can. Nobody is
 * asked. Safe for use by many threads.
 */
@SuppressWarnings("exports")
public final class OffmeterHealthIndicator implements HealthIndicator {
  private final LlmClient client;

  /** Makes the indicator of a client. */
  public OffmeterHealthIndicator(LlmClient client) {
    this.client = Objects.requireNonNull(client, "client");
  }

  @Override
  public Health health() {
    OffmeterHealth health = OffmeterHealth.of(client);
    return new Health.Builder().status(health.status()).withDetails(health.details()).build();
  }
}
