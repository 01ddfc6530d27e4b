// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/**
 * What the body of an error says, whatever its shape: {@code {"error":"text"}}, {@code
 * {"error":{"message":…,"type":…}}}, either of them as JSON inside the error string (Ollama 0.30
 * and later forwards its engine's errors so), the same in an array of one (Gemini), {@code
 * {"error":"text","error_type":"overloaded"}} (TGI), or RFC 9457 fields.
 *
 * @param json whether the body was JSON with an error in it
 * @param message the text, empty if there was none
 * @param type the error's type, or Google's {@code status}; empty if there was neither
 * @param code the error's code, in digits or words; empty if there was none
 */
record ErrorBody(boolean json, String message, String type, String code) {
  private static final ErrorBody NONE = new ErrorBody(false, "", "", "");

  private static final Set<String> OVERFLOW_TYPES =
      Set.of("exceed_context_size_error", "context_length_exceeded");
  private static final List<String> OVERFLOW_WORDS =
      List.of(
          "exceeds the available context size",
          "exceeds the context length",
          "maximum context length",
          "longer than the context",
          "greater than the context length",
          "exceed context limit",
          "prompt is too long",
          "input context too long",
          "input context is too long",
          "input token count",
          "inputs` must have less than",
          "inputs` tokens + `max_new_tokens` must be",
          "longer than the maximum model length");
  private static final Set<String> QUOTA_TYPES = Set.of("insufficient_quota", "billing_error");
  private static final Set<String> FILTER_TYPES =
      Set.of("content_filter", "content_policy_violation");
  private static final Set<String> OVERLOAD_TYPES =
      Set.of("overloaded", "overloaded_error", "unavailable", "unavailable_error");
  private static final Set<String> RATE_TYPES =
      Set.of("rate_limit_error", "rate_limit_exceeded", "resource_exhausted");
  private static final Set<String> KEY_TYPES =
      Set.of("authentication_error", "permission_error", "unauthenticated", "permission_denied");

  static ErrorBody parse(String body) {
    String trimmed = body.strip();
    boolean looksLikeJson = trimmed.startsWith("{") || trimmed.startsWith("[");
    return looksLikeJson ? of(Json.tree(trimmed)) : NONE;
  }

  static ErrorBody of(JsonNode tree) {
    JsonNode node = tree.isArray() && tree.size() == 1 ? tree.get(0) : tree;
    if (!node.isObject()) {
      return NONE;
    }
    JsonNode error = node.get("error");
    if (error == null) {
      return described(node, "", node.path("detail").asText(node.path("title").asText("")));
    }
    return error.isTextual()
        ? unwrapped(error.asText(), node.path("error_type").asText(""))
        : described(error, error.path("status").asText(""), "");
  }

  /** What an error's text says, which may be JSON once more. */
  static ErrorBody ofText(String text) {
    return unwrapped(text, "");
  }

  private static ErrorBody unwrapped(String text, String type) {
    ErrorBody inner = parse(text);
    return inner.json() ? inner : new ErrorBody(true, text, type, "");
  }

  private static ErrorBody described(JsonNode node, String status, String otherwise) {
    String message = node.path("message").asText(otherwise);
    String type = node.path("type").asText(status);
    boolean some = !message.isEmpty() || !type.isEmpty();
    return new ErrorBody(some, message, type, node.path("code").asText(""));
  }

  /** Whether the prompt is longer than the model's context, in any of the known wordings. */
  boolean isContextOverflow() {
    return isOneOf(OVERFLOW_TYPES) || OVERFLOW_WORDS.stream().anyMatch(lowerCase()::contains);
  }

  /** Whether the account has no money or no quota left. */
  boolean isQuotaSpent() {
    return isOneOf(QUOTA_TYPES) || lowerCase().contains("credit balance is too low");
  }

  /** Whether a content filter refused the prompt. */
  boolean isContentFilter() {
    return isOneOf(FILTER_TYPES);
  }

  boolean isOverload() {
    return saysOverload() || code.equals("503");
  }

  /** The same in words; a code that repeats the status says no more than it. */
  boolean saysOverload() {
    return isOneOf(OVERLOAD_TYPES) || lowerCase().contains("overloaded");
  }

  boolean isRateLimit() {
    return isOneOf(RATE_TYPES) || code.equals("429");
  }

  boolean isKeyRejected() {
    return isOneOf(KEY_TYPES) || code.equals("401") || code.equals("403");
  }

  boolean speaksOfModel() {
    return json && lowerCase().contains("model");
  }

  /** LM Studio answers a path that it does not know with HTTP 200 and words like these. */
  boolean isUnknownPath() {
    return lowerCase().startsWith("unexpected endpoint");
  }

  private boolean isOneOf(Set<String> names) {
    return names.contains(type.toLowerCase(Locale.ROOT))
        || names.contains(code.toLowerCase(Locale.ROOT));
  }

  private String lowerCase() {
    return message.toLowerCase(Locale.ROOT);
  }
}
