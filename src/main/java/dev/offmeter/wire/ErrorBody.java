// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Locale;

/**
 * What the body of an error says, whatever its shape: {@code {"error":"text"}}, {@code
 * {"error":{"message":…,"type":…}}}, either of them as JSON inside the error string (Ollama 0.30
 * and later forwards its engine's errors so), the same in an array of one, or RFC 9457 fields.
 *
 * @param json whether the body was JSON with an error in it
 * @param message the text, empty if there was none
 * @param type the error's type, empty if there was none
 */
record ErrorBody(boolean json, String message, String type) {
  private static final ErrorBody NONE = new ErrorBody(false, "", "");

  static ErrorBody parse(String body) {
    String trimmed = body.strip();
    boolean looksLikeJson = trimmed.startsWith("{") || trimmed.startsWith("[");
    return looksLikeJson ? of(Json.tree(trimmed)) : NONE;
  }

  private static ErrorBody of(JsonNode tree) {
    JsonNode node = tree.isArray() && tree.size() == 1 ? tree.get(0) : tree;
    if (!node.isObject()) {
      return NONE;
    }
    JsonNode error = node.get("error");
    if (error == null) {
      return described(node, node.path("detail").asText(node.path("title").asText("")));
    }
    return error.isTextual()
        ? unwrapped(error.asText(), node.path("error_type").asText(""))
        : described(error, "");
  }

  /** What an error's text says, which may be JSON once more. */
  static ErrorBody ofText(String text) {
    return unwrapped(text, "");
  }

  private static ErrorBody unwrapped(String text, String type) {
    ErrorBody inner = parse(text);
    return inner.json() ? inner : new ErrorBody(true, text, type);
  }

  private static ErrorBody described(JsonNode node, String fallback) {
    String message = node.path("message").asText(fallback);
    String type = node.path("type").asText("");
    return new ErrorBody(!message.isEmpty() || !type.isEmpty(), message, type);
  }

  /** Whether the prompt is longer than the model's context, in any of the known wordings. */
  boolean isContextOverflow() {
    String text = message.toLowerCase(Locale.ROOT);
    return type.equals("exceed_context_size_error")
        || text.contains("exceeds the available context size")
        || text.contains("exceeds the context length")
        || text.contains("maximum context length")
        || text.contains("longer than the context");
  }
}
