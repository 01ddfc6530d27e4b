// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.spring.boot3;

import dev.offmeter.LlmClient;
import dev.offmeter.integration.spring.OffmeterAutoConfiguration;
import org.springframework.boot.actuate.autoconfigure.health.ConditionalOnEnabledHealthIndicator;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnSingleCandidate;
import org.springframework.context.annotation.Bean;

/** Makes the health indicator {@code offmeter} in Spring Boot 3.5, where there is an actuator. */
@AutoConfiguration(after = OffmeterAutoConfiguration.class)
@ConditionalOnClass(
    name = {
      "org.springframework.boot.actuate.health.HealthIndicator",
      "org.springframework.boot.actuate.autoconfigure.health.ConditionalOnEnabledHealthIndicator"
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
