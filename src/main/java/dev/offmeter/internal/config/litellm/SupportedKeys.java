// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.config.litellm;

import java.util.Set;
import java.util.stream.Stream;

/** The keys of a LiteLLM file that Offmeter supports. Every other is named in one warning. */
final class SupportedKeys {
  static final Set<String> TOP =
      Set.of(
          "model_list", "router_settings", "litellm_settings", "environment_variables", "include");
  static final Set<String> ENTRY = Set.of("model_name", "litellm_params", "model_info");
  static final Set<String> INFO =
      Set.of(
          "id",
          "input_cost_per_token",
          "output_cost_per_token",
          "input_cost_per_second",
          "supports_vision",
          "supports_function_calling",
          "supports_response_schema",
          "supports_reasoning",
          "max_input_tokens");
  static final Set<String> PARAMS =
      Set.of(
          "model",
          "custom_llm_provider",
          "api_base",
          "base_url",
          "api_key",
          "timeout",
          "stream_timeout",
          "max_parallel_requests",
          "rpm",
          "order",
          "num_retries",
          "keep_alive",
          "max_tokens",
          "max_completion_tokens",
          "temperature",
          "top_p",
          "seed",
          "stop",
          "input_cost_per_token",
          "output_cost_per_token",
          "input_cost_per_second");
  static final Set<String> ROUTER =
      Set.of(
          "fallbacks",
          "default_fallbacks",
          "model_group_alias",
          "num_retries",
          "timeout",
          "stream_timeout",
          "default_max_parallel_requests");
  static final Set<String> LITELLM =
      Set.of(
          "fallbacks",
          "default_fallbacks",
          "num_retries",
          "request_timeout",
          "max_budget",
          "budget_duration",
          "timezone");

  private SupportedKeys() {}

  /** Returns whether a key is supported in any section. */
  static boolean isHonoured(String key) {
    return Stream.of(TOP, ENTRY, INFO, PARAMS, ROUTER, LITELLM)
        .anyMatch(keys -> keys.contains(key));
  }
}
