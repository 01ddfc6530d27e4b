// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.config;

import java.util.Set;
import java.util.regex.Pattern;

/**
 * The keys of a LiteLLM file: those that Offmeter heeds, and those that LiteLLM's documentation and
 * sources know. {@code model_info} may hold anything.
 */
final class KnownKeys {
  static final Set<String> TOP = Set.of("model_list", "router_settings", "litellm_settings");
  static final Set<String> ENTRY = Set.of("model_name", "litellm_params", "model_info");
  static final Set<String> INFO = Set.of("id");
  static final Set<String> PARAMS =
      Set.of(
          "model",
          "api_base",
          "api_key",
          "timeout",
          "stream_timeout",
          "max_parallel_requests",
          "rpm",
          "order",
          "num_retries",
          "keep_alive");
  static final Set<String> ROUTER =
      Set.of(
          "fallbacks",
          "default_fallbacks",
          "num_retries",
          "timeout",
          "stream_timeout",
          "default_max_parallel_requests");
  static final Set<String> LITELLM =
      Set.of("fallbacks", "default_fallbacks", "num_retries", "request_timeout");

  private static final Pattern TOP_TOO =
      words(
          """
          general_settings environment_variables include callback_settings credential_list
          finetune_settings files_settings guardrails prompts mcp_servers mcp_tools mcp_aliases
          search_tools vector_store_registry assistant_settings policies policy_attachments
          agent_list sandbox_params batch_settings worker_registry
          """);
  private static final Pattern ENTRY_TOO =
      words("tpm rpm model_id access_groups blocked litellm_credential_name");
  private static final Pattern PARAMS_TOO =
      words(
          """
          tpm itpm otpm weight cooldown_time max_retries custom_llm_provider base_model
          api_version api_type organization region_name tenant_id client_id client_secret
          bucket_name drop_params additional_drop_params allowed_openai_params modify_params
          extra_headers extra_body extra_query headers default_headers ssl_verify
          configurable_clientside_auth_params litellm_credential_name litellm_trace_id
          max_file_size_mb max_budget budget_duration keepalive_seconds
          allow_client_keepalive_override use_in_pass_through use_litellm_proxy
          use_chat_completions_api use_xai_oauth merge_reasoning_content_in_choices model_info
          mock_response mock_timeout mock_delay mock_tool_calls tags tag_regex fallbacks
          context_window_fallbacks content_policy_fallbacks provider_affinity_header
          retry_policy retry_after model_list caching cache metadata input_type no-log
          litellm_system_prompt prompt_id prompt_variables supports_system_message
          temperature top_p top_k min_p typical_p n stop seed max_tokens max_completion_tokens
          presence_penalty frequency_penalty repetition_penalty repeat_penalty repeat_last_n
          logit_bias logprobs top_logprobs user stream stream_options response_format tools
          tool_choice parallel_tool_calls functions function_call reasoning_effort thinking
          think verbosity service_tier store prediction modalities audio web_search_options
          safety_settings num_ctx num_predict num_gpu num_thread mirostat mirostat_eta
          mirostat_tau tfs_z format template system raw options embedding_model index_name
          dimensions encoding_format hf_model_name initial_prompt_value roles bos_token eos_token
          final_prompt_value preset_cache_key vector_bucket_name vector_store_id
          cache_control_injection_points guardrails project
          """,
          "aws_\\w+|azure_\\w+|vertex_\\w+|s3_\\w+|gcs_\\w+|watsonx_\\w+|milvus_\\w+|valkey_\\w+",
          "(input|output)_cost_per_\\w+|cache_(creation|read)_\\w+|default_api_key_\\w+_limit",
          "(auto|complexity|adaptive|quality)_router_\\w+|bedrock_tags|tiered_pricing");
  private static final Pattern ROUTER_TOO =
      words(
          """
          routing_strategy routing_strategy_args routing_groups weights enable_pre_call_check
          enable_pre_call_checks optional_pre_call_checks deployment_affinity_ttl_seconds
          content_policy_fallbacks context_window_fallbacks max_fallbacks enable_tag_filtering
          tag_filtering_match_any tag_routing_prefix cooldown_time disable_cooldowns retry_policy
          model_group_retry_policy model_group_affinity_config allowed_fails allowed_fails_policy
          default_priority polling_interval default_litellm_params debug_level client_ttl
          cache_kwargs cache_responses caching_groups model_group_alias alerting_config
          assistants_config set_verbose retry_after max_retries provider_budget_config
          router_general_settings ignore_invalid_deployments search_tools guardrail_list
          enable_weighted_failover health_check_staleness_threshold enable_health_check_routing
          """,
          "redis_\\w+");
  private static final Pattern LITELLM_TOO =
      words(
          """
          success_callback failure_callback callbacks service_callbacks audit_log_callbacks
          turn_off_message_logging redact_messages_in_exceptions redact_user_api_key_info
          modify_params drop_params enable_preview_features langfuse_default_tags
          langfuse_tags set_verbose json_logs force_ipv4 content_policy_fallbacks
          context_window_fallbacks cache cache_params mcp_aliases key_generation_settings
          default_key_generate_params upperbound_key_generate_params default_team_settings
          default_internal_user_params default_team_params max_internal_user_budget
          internal_user_budget_duration default_max_internal_user_budget max_budget
          budget_duration max_user_budget max_end_user_budget max_end_user_budget_id
          allowed_fails cooldown_time retry_policy disable_cooldowns num_retries_per_request
          ssl_verify ssl_certificate ssl_security_level telemetry stream_timeout
          user_header_name user_header_mappings cost_discount_config cost_margin_config
          custom_provider_map model_cost_map_url model_group_settings public_model_groups
          public_model_groups_links public_agent_groups public_mcp_servers tag_budget_config
          credential_list priority_reservation prometheus_initialize_budget_metrics
          custom_prometheus_metadata_labels custom_prometheus_tags prometheus_metrics_config
          enable_json_schema_validation enable_key_alias_format_validation guardrails
          forward_traceparent_to_llm_provider add_user_information_to_llm_headers
          store_audit_logs api_key api_base organization token default_in_memory_ttl
          default_redis_ttl default_redis_batch_cache_expiry datadog_params
          datadog_llm_observability_params generic_logger_headers vector_store_registry
          prompts global_prompt_directory global_bitbucket_config global_gitlab_config
          include_cost_in_streaming_usage reasoning_auto_summary
          use_chat_completions_url_for_anthropic_messages always_include_stream_usage
          """,
          "disable_\\w+|LITELLM_\\w+|s3_\\w+|aws_\\w+|gcs_\\w+|vertex_\\w+|azure_\\w+",
          "langsmith_\\w+|argilla_\\w+|otel\\w*|enable_\\w+_callbacks");

  private KnownKeys() {}

  private static Pattern words(String words, String... families) {
    String alternatives = String.join("|", words.strip().split("\\s+"));
    return Pattern.compile(
        families.length == 0 ? alternatives : alternatives + "|" + String.join("|", families));
  }

  static boolean inTop(String key) {
    return TOP_TOO.matcher(key).matches();
  }

  static boolean inEntry(String key) {
    return ENTRY_TOO.matcher(key).matches();
  }

  static boolean inParams(String key) {
    return PARAMS_TOO.matcher(key).matches();
  }

  static boolean inRouter(String key) {
    return ROUTER_TOO.matcher(key).matches();
  }

  static boolean inLitellm(String key) {
    return LITELLM_TOO.matcher(key).matches();
  }
}
