// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import com.fasterxml.jackson.databind.JsonNode;
import dev.offmeter.ChatResponse.ToolCall;
import dev.offmeter.FailureKind;
import dev.offmeter.FinishReason;
import dev.offmeter.Usage;
import org.jspecify.annotations.Nullable;

/**
 * The chunks of a Gemini answer. There is no end marker but a finish reason, so the answer is whole
 * when the body ends in good order after one. Every level may be missing.
 */
final class GeminiReply implements EventReading.Events {
  private final boolean tools;
  private final Pieces pieces;
  private String model = "";
  private String finish = "";
  private Usage usage = Usage.NONE;
  private boolean reply;

  /**
   * A reply.
   *
   * @param tools whether tools were offered; calls of others mean nothing and are skipped
   */
  GeminiReply(boolean tools, Pieces pieces) {
    this.tools = tools;
    this.pieces = pieces;
  }

  @Override
  public @Nullable Ending event(JsonNode data) throws Failure {
    if (InBandError.isIn(data)) {
      throw InBandError.of(data);
    }
    if (data.path("promptFeedback").hasNonNull("blockReason")) {
      throw Failure.of(
          FailureKind.CONTENT_FILTERED,
          "the prompt was blocked: " + data.path("promptFeedback").path("blockReason").asText());
    }
    reply |= data.has("candidates") || data.has("usageMetadata");
    model = data.path("modelVersion").asText(model);
    readUsage(data.path("usageMetadata"));
    for (JsonNode candidate : Fields.objects(data, "candidates")) {
      if (candidate.path("index").asInt() == 0) {
        read(candidate);
      }
    }
    return null;
  }

  /** Without {@code alt=sse}, as from some proxies, the chunks come as one array. */
  @Override
  public Ending whole(JsonNode whole) throws Failure {
    if (whole.isArray()) {
      for (JsonNode chunk : whole) {
        event(chunk);
      }
    } else {
      event(whole);
    }
    return end();
  }

  /** Thinking is counted apart from the answer, but is generated all the same. */
  private void readUsage(JsonNode counts) {
    if (counts.isObject()) {
      int generated =
          Fields.count(counts, "candidatesTokenCount") + Fields.count(counts, "thoughtsTokenCount");
      usage = new Usage(Fields.count(counts, "promptTokenCount"), Math.max(0, generated));
    }
  }

  private void read(JsonNode candidate) throws Failure {
    for (JsonNode part : Fields.objects(Fields.object(candidate, "content"), "parts")) {
      String text = Fields.text(part, "text");
      if (part.path("thought").asBoolean()) {
        if (!text.isEmpty()) {
          pieces.thinking(text);
        }
      } else if (!text.isEmpty()) {
        pieces.text(text);
      }
      if (tools && part.path("functionCall").isObject()) {
        pieces.toolCall(toolCall(part.path("functionCall")));
      }
    }
    finish = candidate.path("finishReason").asText(finish);
  }

  private static ToolCall toolCall(JsonNode call) throws Failure {
    JsonNode arguments = call.path("args");
    String name = Fields.text(call, "name");
    boolean none = arguments.isMissingNode() || arguments.isNull();
    if (name.isEmpty() || (!none && !arguments.isObject())) {
      throw Failure.of(FailureKind.NOT_AN_ANSWER, "a tool call without a name or arguments");
    }
    return new ToolCall(Fields.text(call, "id"), name, none ? "{}" : arguments.toString());
  }

  @Override
  public Ending end() throws Failure {
    if (!reply) {
      throw Failure.of(FailureKind.NOT_AN_ANSWER, "HTTP 200 with JSON that is no chat reply");
    }
    return new Ending(model, usage, reason(), true);
  }

  /** The list grows, so what is not known is no good end. */
  private FinishReason reason() throws Failure {
    return switch (finish) {
      case "STOP" -> FinishReason.STOP;
      case "MAX_TOKENS" -> FinishReason.LENGTH;
      case "" ->
          throw Failure.of(FailureKind.INCOMPLETE, "the answer ended without its end marker");
      case "SAFETY",
          "BLOCKLIST",
          "PROHIBITED_CONTENT",
          "SPII",
          "IMAGE_SAFETY",
          "IMAGE_PROHIBITED_CONTENT" ->
          throw Failure.of(
              FailureKind.CONTENT_FILTERED, "the content filter stopped the answer: " + finish);
      case "RECITATION",
          "LANGUAGE",
          "OTHER",
          "MALFORMED_FUNCTION_CALL",
          "UNEXPECTED_TOOL_CALL",
          "TOO_MANY_TOOL_CALLS" ->
          throw Failure.of(FailureKind.MODEL_STOPPED, "the model stopped: " + finish);
      default -> throw Failure.of(FailureKind.INCOMPLETE, "ended, but for no known reason");
    };
  }
}
