// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.config.litellm;

import org.jspecify.annotations.Nullable;

/**
 * Holds the values for deployments that set none. {@code router_settings} wins over {@code
 * litellm_settings}.
 */
record DeploymentDefaults(
    @Nullable ConfigNode timeout,
    @Nullable ConfigNode streamTimeout,
    @Nullable ConfigNode maxParallelRequests,
    @Nullable ConfigNode retries) {

  static DeploymentDefaults of(ConfigNode router, ConfigNode litellm) {
    return new DeploymentDefaults(
        either(router.field("timeout"), litellm.field("request_timeout")),
        router.field("stream_timeout"),
        router.field("default_max_parallel_requests"),
        either(router.field("num_retries"), litellm.field("num_retries")));
  }

  private static @Nullable ConfigNode either(
      @Nullable ConfigNode first, @Nullable ConfigNode second) {
    return first == null ? second : first;
  }
}
