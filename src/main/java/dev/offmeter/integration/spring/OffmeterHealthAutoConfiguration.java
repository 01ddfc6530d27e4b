// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.spring;

import dev.offmeter.LlmClient;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnSingleCandidate;
import org.springframework.boot.health.autoconfigure.contributor.ConditionalOnEnabledHealthIndicator;
import org.springframework.context.annotation.Bean;

/** Makes the health indicator {@code offmeter} in Spring Boot 4, where there is an actuator. */
@AutoConfiguration(after = OffmeterAutoConfiguration.class)
@ConditionalOnClass(
    name = {
      "org.springframework.boot.health.contributor.HealthIndicator",
      "org.springframework.boot.health.autoconfigure.contributor.ConditionalOnEnabledHealthIndicator"
    })
@ConditionalOnSingleCandidate(LlmClient.class)
@SuppressWarnings("exports")
final class OffmeterHealthAutoConfiguration {
  @Bean
  @ConditionalOnEnabledHealthIndicator("offmeter")
  @ConditionalOnMissingBean(name = "offmeterHealthIndicator")
  OffmeterHealthIndicator offmeterHealthIndicator(LlmClient client) {
    return new OffmeterHealthIndicator(client);
  }
}
