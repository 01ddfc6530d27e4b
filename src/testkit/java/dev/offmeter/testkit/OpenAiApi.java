// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testkit;

import static dev.offmeter.testkit.JsonText.object;

import com.fasterxml.jackson.databind.node.NullNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Writes OpenAI's chat completions, as in its documentation; thinking in {@code reasoning_content},
 * as llama-server and LM Studio do.
 */
final class OpenAiApi implements Api {
  private static final String ID = "chatcmpl-1";
  private static final long CREATED = 1795252647L;

  @Override
  public boolean isCall(String method, String path) {
    return method.equals("POST") && path.endsWith("/chat/completions");
  }

  @Override
  public String streamType() {
    return "text/event-stream";
  }

  @Override
  public Streamed streamed(String model, List<Piece> pieces) {
    List<String> events = new ArrayList<>();
    int calls = 0;
    for (Piece piece : pieces) {
      boolean call = piece.kind() == Piece.Kind.TOOL_CALL;
      events.add(chunk(model, choice(delta(piece, call ? calls++ : 0), null)));
    }
    String end = chunk(model, choice(object(), reason(pieces)));
    return new Streamed(events, end + usageChunk(model, pieces) + "data: [DONE]\n\n");
  }

  private static Map<String, Object> choice(Map<String, Object> delta, @Nullable String reason) {
    Map<String, Object> choice = object("index", 0, "delta", delta);
    choice.put("finish_reason", reason == null ? NullNode.getInstance() : reason);
    return choice;
  }

  private static Map<String, Object> delta(Piece piece, int index) {
    return switch (piece.kind()) {
      case TEXT -> object("role", "assistant", "content", piece.text());
      case THINKING -> object("role", "assistant", "reasoning_content", piece.text());
      case TOOL_CALL -> {
        Map<String, Object> call = object("index", index);
        call.putAll(toolCall(piece));
        yield object("role", "assistant", "tool_calls", List.of(call));
      }
    };
  }

  private static Map<String, Object> toolCall(Piece piece) {
    var call = Objects.requireNonNull(piece.toolCall());
    return object(
        "id", call.id(),
        "type", "function",
        "function", object("name", call.name(), "arguments", call.arguments()));
  }

  private static String chunk(String model, Map<String, Object> choice) {
    return Api.event(
        JsonText.of(
            object(
                "id", ID,
                "object", "chat.completion.chunk",
                "created", CREATED,
                "model", model,
                "choices", List.of(choice))));
  }

  private static String usageChunk(String model, List<Piece> pieces) {
    return Api.event(
        JsonText.of(
            object(
                "id",
                ID,
                "object",
                "chat.completion.chunk",
                "created",
                CREATED,
                "model",
                model,
                "choices",
                List.of(),
                "usage",
                usage(pieces))));
  }

  private static Map<String, Object> usage(List<Piece> pieces) {
    return object(
        "prompt_tokens",
        PROMPT_TOKENS,
        "completion_tokens",
        pieces.size(),
        "total_tokens",
        PROMPT_TOKENS + pieces.size());
  }

  private static String reason(List<Piece> pieces) {
    return Api.toolCalls(pieces).isEmpty() ? "stop" : "tool_calls";
  }

  @Override
  public String whole(String model, List<Piece> pieces) {
    Map<String, Object> message =
        object("role", "assistant", "content", Api.joined(pieces, Piece.Kind.TEXT));
    String thinking = Api.joined(pieces, Piece.Kind.THINKING);
    if (!thinking.isEmpty()) {
      message.put("reasoning_content", thinking);
    }
    List<Piece> calls = Api.toolCalls(pieces);
    if (!calls.isEmpty()) {
      message.put("tool_calls", calls.stream().map(OpenAiApi::toolCall).toList());
    }
    return JsonText.of(
        object(
            "id",
            ID,
            "object",
            "chat.completion",
            "created",
            CREATED,
            "model",
            model,
            "choices",
            List.of(object("index", 0, "message", message, "finish_reason", reason(pieces))),
            "usage",
            usage(pieces)));
  }

  @Override
  public String errorInStream(String message) {
    return Api.event(error(500, message, null)) + "data: [DONE]\n\n";
  }

  @Override
  public String error(int status, String message, @Nullable Duration retryAfter) {
    return JsonText.of(object("error", object("message", message, "type", type(status))));
  }

  private static String type(int status) {
    return switch (status) {
      case 401, 403 -> "authentication_error";
      case 429 -> "rate_limit_error";
      case 404 -> "not_found_error";
      default -> status >= 500 ? "server_error" : "invalid_request_error";
    };
  }

  @Override
  public String noSuchModel(String model) {
    return "The model `" + model + "` does not exist";
  }

  @Override
  public @Nullable String info(String method, String path, Set<String> known, Set<String> loaded) {
    if (path.endsWith("/models")) {
      return JsonText.of(
          object(
              "object",
              "list",
              "data",
              known.stream().map(id -> object("id", id, "object", "model")).toList()));
    }
    return path.endsWith("/health") ? JsonText.of(object("status", "ok")) : null;
  }
}
