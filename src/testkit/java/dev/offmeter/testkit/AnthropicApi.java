// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testkit;

import static dev.offmeter.testkit.JsonText.object;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Writes Anthropic's Messages API, as in its documentation. */
final class AnthropicApi implements Api {
  @Override
  public boolean isCall(String method, String path) {
    return method.equals("POST") && path.endsWith("/v1/messages");
  }

  @Override
  public String streamType() {
    return "text/event-stream";
  }

  /** Writes each run of pieces of one kind as a content block, and each tool call as one. */
  @Override
  public Streamed streamed(String model, List<Piece> pieces) {
    List<String> events = new ArrayList<>();
    StringBuilder next = new StringBuilder(start(model));
    int block = -1;
    Piece before = null;
    for (Piece piece : pieces) {
      if (before == null || before.kind() != piece.kind() || piece.kind() == Piece.Kind.TOOL_CALL) {
        next.append(block >= 0 ? stop(block) : "");
        block++;
        next.append(
            named(
                object(
                    "type", "content_block_start", "index", block, "content_block", empty(piece))));
      }
      next.append(
          named(object("type", "content_block_delta", "index", block, "delta", delta(piece))));
      events.add(next.toString());
      next.setLength(0);
      before = piece;
    }
    next.append(block >= 0 ? stop(block) : "").append(end(pieces));
    return new Streamed(events, next.toString());
  }

  private static String start(String model) {
    return named(
        object(
            "type",
            "message_start",
            "message",
            object(
                "id",
                "msg_1",
                "type",
                "message",
                "role",
                "assistant",
                "model",
                model,
                "content",
                List.of(),
                "usage",
                object("input_tokens", PROMPT_TOKENS, "output_tokens", 1))));
  }

  private static String stop(int block) {
    return named(object("type", "content_block_stop", "index", block));
  }

  private static String end(List<Piece> pieces) {
    return named(
            object(
                "type", "message_delta",
                "delta", object("stop_reason", reason(pieces)),
                "usage", object("output_tokens", pieces.size())))
        + named(object("type", "message_stop"));
  }

  private static Map<String, Object> empty(Piece piece) {
    return switch (piece.kind()) {
      case TEXT -> object("type", "text", "text", "");
      case THINKING -> object("type", "thinking", "thinking", "");
      case TOOL_CALL -> toolUse(piece, object());
    };
  }

  private static Map<String, Object> toolUse(Piece piece, Object input) {
    var call = Objects.requireNonNull(piece.toolCall());
    return object("type", "tool_use", "id", call.id(), "name", call.name(), "input", input);
  }

  private static Map<String, Object> delta(Piece piece) {
    return switch (piece.kind()) {
      case TEXT -> object("type", "text_delta", "text", piece.text());
      case THINKING -> object("type", "thinking_delta", "thinking", piece.text());
      case TOOL_CALL ->
          object(
              "type",
              "input_json_delta",
              "partial_json",
              Objects.requireNonNull(piece.toolCall()).arguments());
    };
  }

  private static String named(Map<String, Object> event) {
    return "event: " + event.get("type") + "\n" + Api.event(JsonText.of(event));
  }

  private static String reason(List<Piece> pieces) {
    return Api.toolCalls(pieces).isEmpty() ? "end_turn" : "tool_use";
  }

  @Override
  public String whole(String model, List<Piece> pieces) {
    List<Object> content = new ArrayList<>();
    String thinking = Api.joined(pieces, Piece.Kind.THINKING);
    if (!thinking.isEmpty()) {
      content.add(object("type", "thinking", "thinking", thinking, "signature", ""));
    }
    String text = Api.joined(pieces, Piece.Kind.TEXT);
    if (!text.isEmpty()) {
      content.add(object("type", "text", "text", text));
    }
    for (Piece piece : Api.toolCalls(pieces)) {
      String arguments = Objects.requireNonNull(piece.toolCall()).arguments();
      content.add(toolUse(piece, JsonText.tree(arguments)));
    }
    return JsonText.of(
        object(
            "id",
            "msg_1",
            "type",
            "message",
            "role",
            "assistant",
            "model",
            model,
            "content",
            content,
            "stop_reason",
            reason(pieces),
            "usage",
            object("input_tokens", PROMPT_TOKENS, "output_tokens", pieces.size())));
  }

  @Override
  public String errorInStream(String message) {
    return named(error("api_error", message));
  }

  private static Map<String, Object> error(String type, String message) {
    return object("type", "error", "error", object("type", type, "message", message));
  }

  @Override
  public String error(int status, String message, @Nullable Duration retryAfter) {
    return JsonText.of(error(type(status), message));
  }

  private static String type(int status) {
    return switch (status) {
      case 401 -> "authentication_error";
      case 402 -> "billing_error";
      case 403 -> "permission_error";
      case 404 -> "not_found_error";
      case 413 -> "request_too_large";
      case 429 -> "rate_limit_error";
      case 504 -> "timeout_error";
      case 503, 529 -> "overloaded_error";
      default -> status >= 500 ? "api_error" : "invalid_request_error";
    };
  }

  @Override
  public String noSuchModel(String model) {
    return "model: " + model;
  }

  @Override
  public @Nullable String info(String method, String path, Set<String> known, Set<String> loaded) {
    return path.endsWith("/v1/models")
        ? JsonText.of(
            object("data", known.stream().map(id -> object("id", id, "type", "model")).toList()))
        : null;
  }
}
