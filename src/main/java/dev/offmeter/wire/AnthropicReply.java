// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import com.fasterxml.jackson.databind.JsonNode;
import dev.offmeter.FailureKind;
import dev.offmeter.FinishReason;
import dev.offmeter.Usage;
import org.jspecify.annotations.Nullable;

/** The events of an Anthropic message; {@code message_stop} alone makes it whole. */
final class AnthropicReply implements EventReading.Events {
  private final boolean tools;
  private final Pieces pieces;
  private final ToolCallPieces calls = new ToolCallPieces();
  private String model = "";
  private String stop = "";
  private int inputTokens;
  private int outputTokens;
  private boolean begun;

  /**
   * A reply.
   *
   * @param tools whether tools were offered; calls of others mean nothing and are skipped
   */
  AnthropicReply(boolean tools, Pieces pieces) {
    this.tools = tools;
    this.pieces = pieces;
  }

  @Override
  public @Nullable Ending event(JsonNode data) throws Failure {
    switch (data.path("type").asText("")) {
      case "message_start" -> begin(Fields.object(data, "message"));
      case "content_block_start" ->
          readBlock(data.path("index").asInt(), Fields.object(data, "content_block"));
      case "content_block_delta" ->
          readDelta(data.path("index").asInt(), Fields.object(data, "delta"));
      case "message_delta" -> {
        stop = data.path("delta").path("stop_reason").asText(stop);
        readUsage(data.path("usage"));
      }
      case "message_stop" -> {
        return end(true);
      }
      case "error" -> throw InBandError.of(data);
      default -> {
        // Pings, and kinds of events that are yet to come.
      }
    }
    return null;
  }

  @Override
  public Ending whole(JsonNode whole) throws Failure {
    if (!whole.path("type").asText("").equals("message")) {
      throw noReply();
    }
    begin(whole);
    stop = whole.path("stop_reason").asText("");
    int index = 0;
    for (JsonNode block : Fields.objects(whole, "content")) {
      readBlock(index++, block);
    }
    return end(true);
  }

  private void begin(JsonNode message) {
    begun = true;
    model = message.path("model").asText("");
    readUsage(message.path("usage"));
  }

  /** What was read from or written to the cache is input too, and is counted apart. */
  private void readUsage(JsonNode usage) {
    if (usage.has("input_tokens")) {
      inputTokens =
          Fields.count(usage, "input_tokens")
              + Fields.count(usage, "cache_creation_input_tokens")
              + Fields.count(usage, "cache_read_input_tokens");
    }
    if (usage.has("output_tokens")) {
      outputTokens = Fields.count(usage, "output_tokens");
    }
  }

  private void readBlock(int index, JsonNode block) throws Failure {
    switch (block.path("type").asText("")) {
      case "text" -> text(Fields.text(block, "text"));
      case "thinking" -> thinking(Fields.text(block, "thinking"));
      case "tool_use" -> {
        JsonNode input = block.path("input");
        // In a stream it is empty here, and comes as text in pieces.
        String whole = input.isObject() && !input.isEmpty() ? input.toString() : "";
        part(index, Fields.text(block, "id"), Fields.text(block, "name"), whole);
      }
      default -> {
        // Redacted thinking, and kinds of blocks that are yet to come.
      }
    }
  }

  private void readDelta(int index, JsonNode delta) throws Failure {
    switch (delta.path("type").asText("")) {
      case "text_delta" -> text(Fields.text(delta, "text"));
      case "thinking_delta" -> thinking(Fields.text(delta, "thinking"));
      case "input_json_delta" -> part(index, "", "", Fields.text(delta, "partial_json"));
      default -> {
        // Signatures and citations.
      }
    }
  }

  private void text(String text) {
    if (!text.isEmpty()) {
      pieces.text(text);
    }
  }

  private void thinking(String text) {
    if (!text.isEmpty()) {
      pieces.thinking(text);
    }
  }

  private void part(int index, String id, String name, String arguments) {
    if (tools) {
      calls.add(index, id, name, arguments);
      pieces.part();
    }
  }

  /** The body ended: too early, for {@code message_stop} would have ended the answer before. */
  @Override
  public Ending end() throws Failure {
    return end(false);
  }

  private Ending end(boolean stopped) throws Failure {
    if (!begun) {
      throw noReply();
    }
    if (!stopped || stop.isEmpty()) {
      throw Failure.of(FailureKind.INCOMPLETE, "the answer ended without its end marker");
    }
    Usage usage = new Usage(Math.max(0, inputTokens), outputTokens);
    Ending ending = new Ending(model, usage, reason(), true);
    calls.end(pieces, ending.finishReason() == FinishReason.LENGTH);
    return ending;
  }

  private FinishReason reason() throws Failure {
    return switch (stop) {
      case "end_turn", "stop_sequence", "tool_use" -> FinishReason.STOP;
      case "max_tokens" -> FinishReason.LENGTH;
      case "refusal" ->
          throw Failure.of(FailureKind.CONTENT_FILTERED, "the model refuses to answer");
      case "model_context_window_exceeded" ->
          throw Failure.of(FailureKind.CONTEXT_OVERFLOW, "the context was full before the end");
      default -> throw Failure.of(FailureKind.INCOMPLETE, "ended, but for no known reason");
    };
  }

  private static Failure noReply() {
    return Failure.of(FailureKind.NOT_AN_ANSWER, "HTTP 200 with JSON that is no chat reply");
  }
}
