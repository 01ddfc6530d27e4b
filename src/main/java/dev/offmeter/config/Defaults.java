// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.config;

import org.jspecify.annotations.Nullable;

/**
 * What holds for deployments that do not say it themselves. {@code router_settings} wins over
 * {@code litellm_settings}.
 */
record Defaults(
    @Nullable Setting timeout,
    @Nullable Setting streamTimeout,
    @Nullable Setting maxParallelRequests,
    @Nullable Setting retries) {

  static Defaults of(Setting router, Setting litellm) {
    return new Defaults(
        either(router.field("timeout"), litellm.field("request_timeout")),
        router.field("stream_timeout"),
        router.field("default_max_parallel_requests"),
        either(router.field("num_retries"), litellm.field("num_retries")));
  }

  private static @Nullable Setting either(@Nullable Setting first, @Nullable Setting second) {
    return first == null ? second : first;
  }
}
