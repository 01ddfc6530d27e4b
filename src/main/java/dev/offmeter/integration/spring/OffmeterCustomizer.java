// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.spring;

import dev.offmeter.LlmClient;

/**
 * Changes the builder of the client before it builds: for what no property can say, such as a
 * function as the last resort. Beans of this type are called in their order, after the properties
 * and all other beans have been applied; an endpoint that one adds is asked after the configured
 * ones.
 *
 * <pre>{@code
 * @Bean
 * OffmeterCustomizer template() {
 *   return client -> client.endpoint(Endpoint.local("template", Template::fill).build());
 * }
 * }</pre>
 */
@FunctionalInterface
public interface OffmeterCustomizer {
  /** Changes the builder. What it throws fails the start of the application. */
  void customize(LlmClient.Builder client);
}
