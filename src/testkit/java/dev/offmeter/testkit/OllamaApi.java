// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testkit;

import static dev.offmeter.testkit.JsonText.object;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Writes Ollama's native API, as in its documentation and its sources of 0.33. */
final class OllamaApi implements Api {
  private static final String CREATED = "2026-11-21T09:17:27.213301Z";

  @Override
  public boolean isCall(String method, String path) {
    return method.equals("POST") && path.endsWith("/api/chat");
  }

  /** Returns whether to stream, which is Ollama's default. */
  @Override
  public boolean isStreamed(String path, JsonNode body) {
    return body.path("stream").asBoolean(true);
  }

  @Override
  public String streamType() {
    return "application/x-ndjson";
  }

  @Override
  public Streamed streamed(String model, List<Piece> pieces) {
    return new Streamed(
        pieces.stream().map(piece -> line(model, message(List.of(piece)))).toList(),
        JsonText.of(end(model, message(List.of()), pieces.size())) + "\n");
  }

  private static String line(String model, Map<String, Object> message) {
    return JsonText.of(
            object("model", model, "created_at", CREATED, "message", message, "done", false))
        + "\n";
  }

  private static Map<String, Object> end(String model, Map<String, Object> message, int tokens) {
    return object(
        "model",
        model,
        "created_at",
        CREATED,
        "message",
        message,
        "done",
        true,
        "done_reason",
        "stop",
        "total_duration",
        455831113,
        "load_duration",
        1204250,
        "prompt_eval_count",
        PROMPT_TOKENS,
        "prompt_eval_duration",
        12000000,
        "eval_count",
        tokens,
        "eval_duration",
        38000000);
  }

  private static Map<String, Object> message(List<Piece> pieces) {
    Map<String, Object> message =
        object("role", "assistant", "content", Api.joined(pieces, Piece.Kind.TEXT));
    String thinking = Api.joined(pieces, Piece.Kind.THINKING);
    if (!thinking.isEmpty()) {
      message.put("thinking", thinking);
    }
    List<Piece> calls = Api.toolCalls(pieces);
    if (!calls.isEmpty()) {
      message.put("tool_calls", calls.stream().map(OllamaApi::toolCall).toList());
    }
    return message;
  }

  private static Map<String, Object> toolCall(Piece piece) {
    var call = Objects.requireNonNull(piece.toolCall());
    Map<String, Object> function =
        object("name", call.name(), "arguments", JsonText.tree(call.arguments()));
    return call.id().isEmpty()
        ? object("function", function)
        : object("id", call.id(), "function", function);
  }

  @Override
  public String whole(String model, List<Piece> pieces) {
    return JsonText.of(end(model, message(pieces), pieces.size()));
  }

  @Override
  public String errorInStream(String message) {
    return JsonText.of(object("error", message)) + "\n";
  }

  @Override
  public String error(int status, String message, @Nullable Duration retryAfter) {
    return JsonText.of(object("error", message));
  }

  @Override
  public String noSuchModel(String model) {
    return "model '" + model + "' not found";
  }

  @Override
  public @Nullable String info(String method, String path, Set<String> known, Set<String> loaded) {
    if (path.endsWith("/api/version")) {
      return JsonText.of(object("version", "0.33.0"));
    }
    if (path.endsWith("/api/tags")) {
      return models(known);
    }
    if (path.endsWith("/api/ps")) {
      return models(loaded);
    }
    return path.endsWith("/api/show") && method.equals("POST") ? description() : null;
  }

  private static String models(Set<String> names) {
    return JsonText.of(
        object("models", names.stream().map(name -> object("name", name, "model", name)).toList()));
  }

  private static String description() {
    return JsonText.of(
        object(
            "details", object("family", "fake"),
            "model_info", object("general.architecture", "fake", "fake.context_length", 131072),
            "capabilities", List.of("completion", "tools", "vision", "thinking")));
  }
}
