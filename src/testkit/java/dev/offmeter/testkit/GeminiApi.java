// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testkit;

import static dev.offmeter.testkit.JsonText.object;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Writes Gemini's native API, as in its documentation and Google's own client. */
final class GeminiApi implements Api {
  private static final Pattern CALL =
      Pattern.compile(".*/models/([^/:]+):(generateContent|streamGenerateContent)");

  @Override
  public boolean isCall(String method, String path) {
    return method.equals("POST") && CALL.matcher(path).matches();
  }

  @Override
  public boolean isStreamed(String path, JsonNode body) {
    return path.endsWith(":streamGenerateContent");
  }

  @Override
  public String model(String path, JsonNode body) {
    Matcher call = CALL.matcher(path);
    return call.matches() ? call.group(1) : "";
  }

  @Override
  public String streamType() {
    return "text/event-stream";
  }

  @Override
  public Streamed streamed(String model, List<Piece> pieces) {
    List<String> events = new ArrayList<>();
    pieces.forEach(piece -> events.add(Api.event(JsonText.of(reply(model, List.of(piece), null)))));
    Map<String, Object> end = reply(model, List.of(), "STOP");
    end.put("usageMetadata", usage(pieces));
    return new Streamed(events, Api.event(JsonText.of(end)));
  }

  private static Map<String, Object> reply(
      String model, List<Piece> pieces, @Nullable String reason) {
    Map<String, Object> content = object("role", "model");
    if (!pieces.isEmpty()) {
      content.put("parts", pieces.stream().map(GeminiApi::part).toList());
    }
    Map<String, Object> candidate = object("content", content, "index", 0);
    if (reason != null) {
      candidate.put("finishReason", reason);
    }
    return object("candidates", List.of(candidate), "modelVersion", model, "responseId", "1");
  }

  private static Map<String, Object> part(Piece piece) {
    return switch (piece.kind()) {
      case TEXT -> object("text", piece.text());
      case THINKING -> object("text", piece.text(), "thought", true);
      case TOOL_CALL -> {
        var call = Objects.requireNonNull(piece.toolCall());
        yield object(
            "functionCall", object("name", call.name(), "args", JsonText.tree(call.arguments())));
      }
    };
  }

  private static Map<String, Object> usage(List<Piece> pieces) {
    return object(
        "promptTokenCount",
        PROMPT_TOKENS,
        "candidatesTokenCount",
        pieces.size(),
        "totalTokenCount",
        PROMPT_TOKENS + pieces.size());
  }

  @Override
  public String whole(String model, List<Piece> pieces) {
    Map<String, Object> reply = reply(model, pieces, "STOP");
    reply.put("usageMetadata", usage(pieces));
    return JsonText.of(reply);
  }

  @Override
  public String errorInStream(String message) {
    return Api.event(error(500, message, null));
  }

  @Override
  public String error(int status, String message, @Nullable Duration retryAfter) {
    Map<String, Object> error = object("code", status, "message", message, "status", name(status));
    if (retryAfter != null) {
      error.put(
          "details",
          List.of(
              object(
                  "@type",
                  "type.googleapis.com/google.rpc.RetryInfo",
                  "retryDelay",
                  retryAfter.toMillis() / 1000.0 + "s")));
    }
    return JsonText.of(object("error", error));
  }

  private static String name(int status) {
    return switch (status) {
      case 400 -> "INVALID_ARGUMENT";
      case 401 -> "UNAUTHENTICATED";
      case 403 -> "PERMISSION_DENIED";
      case 404 -> "NOT_FOUND";
      case 429 -> "RESOURCE_EXHAUSTED";
      case 503 -> "UNAVAILABLE";
      case 504 -> "DEADLINE_EXCEEDED";
      default -> "INTERNAL";
    };
  }

  @Override
  public String noSuchModel(String model) {
    return "models/" + model + " is not found for API version v1beta";
  }

  @Override
  public @Nullable String retryAfterHeader() {
    return null;
  }

  @Override
  public @Nullable String info(String method, String path, Set<String> known, Set<String> loaded) {
    return path.endsWith("/models")
        ? JsonText.of(
            object("models", known.stream().map(m -> object("name", "models/" + m)).toList()))
        : null;
  }
}
