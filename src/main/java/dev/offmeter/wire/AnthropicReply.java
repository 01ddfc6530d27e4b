// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import com.fasterxml.jackson.databind.JsonNode;
import dev.offmeter.ChatRequest;
import dev.offmeter.FailureKind;
import dev.offmeter.FinishReason;
import dev.offmeter.Usage;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The events of an Anthropic message. Its stop reason makes it whole, and comes after all of its
 * blocks; {@code message_stop} alone does not.
 */
final class AnthropicReply implements EventReading.Events {
  private final boolean tools;
  private final int maxTokens;
  private final EndMarkers markers;
  private final Pieces pieces;
  private final AnswerText answer;
  private final AnswerText thoughts;
  private final ToolCallPieces calls = new ToolCallPieces();
  private final FinishReasons reasons = new FinishReasons();
  private String model = "";
  private boolean stopped;
  private int inputTokens;
  private int outputTokens;
  private boolean begun;

  /**
   * A reply.
   *
   * @param request calls of tools that it does not offer mean nothing and are skipped
   */
  AnthropicReply(ChatRequest request, EndMarkers markers, Pieces pieces) {
    this.tools = !request.tools().isEmpty();
    this.maxTokens = request.maxTokens();
    this.markers = markers;
    this.pieces = pieces;
    this.answer = new AnswerText(pieces::text, pieces::part, true);
    this.thoughts = new AnswerText(pieces::thinking, pieces::part, false);
  }

  @Override
  public @Nullable Ending event(JsonNode data) throws Failure {
    String type = data.path("type").asText("");
    // Some that imitate it leave the start out.
    begun |= type.startsWith("content_block") || type.equals("message_delta");
    switch (type) {
      case "message" -> {
        return whole(data);
      }
      case "message_start" -> begin(Fields.object(data, "message"));
      case "content_block_start" ->
          readBlock(Fields.position(data, 0), Fields.object(data, "content_block"));
      case "content_block_delta" ->
          readDelta(Fields.position(data, 0), Fields.object(data, "delta"));
      case "content_block_stop" -> {
        answer.settleOpening();
        thoughts.settleOpening();
      }
      case "message_delta" -> {
        stop(data.path("delta").path("stop_reason").asText(""));
        readUsage(data.path("usage"));
      }
      case "message_stop" -> {
        return stop();
      }
      case "error" -> throw InBandError.of(data);
      default -> {
        // Pings, and kinds of events that are yet to come.
      }
    }
    return null;
  }

  private void stop(String reason) {
    boolean ended = reasons.isEnd();
    reasons.add(reason);
    if (!ended && reasons.isEnd()) {
      pieces.onTextEnded();
    }
  }

  private @Nullable Ending stop() throws Failure {
    stopped = true;
    if (!begun || reasons.any() || markers.areEnough()) {
      return end();
    }
    pieces.onTextEnded();
    return null;
  }

  /** A message that is not streamed, or a snapshot of one that is. */
  private Ending whole(JsonNode whole) throws Failure {
    List<JsonNode> blocks = Fields.objects(whole, "content");
    if (answer.any()) {
      StringBuilder text = new StringBuilder();
      for (JsonNode block : blocks) {
        text.append(Fields.text(block, "text"));
      }
      answer.whole(text.toString());
    } else {
      begin(whole);
      int index = 0;
      for (JsonNode block : blocks) {
        readBlock(index++, block);
      }
    }
    stop(whole.path("stop_reason").asText(""));
    stopped = true;
    return end();
  }

  private void begin(JsonNode message) {
    begun = true;
    model = message.path("model").asText("");
    readUsage(message.path("usage"));
  }

  /**
   * What was read from or written to the cache is input too, and is counted apart. The output is
   * counted provisionally at the start.
   */
  private void readUsage(JsonNode usage) {
    if (usage.hasNonNull("input_tokens")) {
      inputTokens =
          Count.sum(
              usage, "input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens");
    }
    if (usage.has("output_tokens")) {
      outputTokens = Fields.count(usage, "output_tokens");
    }
  }

  private void readBlock(int index, JsonNode block) throws Failure {
    switch (block.path("type").asText("")) {
      case "text" -> open(Fields.text(block, "text"));
      case "thinking" -> {
        String begun = Content.informal(block.path("thinking"));
        if (!begun.isEmpty()) {
          thoughts.open(begun);
        }
      }
      case "tool_use" -> {
        JsonNode input = block.path("input");
        // In a stream it is empty here, and comes as text in pieces.
        String whole = ReplyTree.saysNothing(input) ? "" : ToolCallPieces.text(input);
        part(index, Fields.informal(block, "id"), Fields.informal(block, "name"), whole);
      }
      default -> {
        // Redacted thinking, and kinds of blocks that are yet to come.
      }
    }
  }

  private void open(String text) throws Failure {
    if (reasons.isEnd()) {
      answer.afterEnd(text);
    } else if (!text.isEmpty()) {
      answer.open(text);
    }
  }

  private void readDelta(int index, JsonNode delta) throws Failure {
    switch (delta.path("type").asText("")) {
      case "text_delta" -> text(Fields.text(delta, "text"));
      case "thinking_delta" -> thinking(Content.informal(delta.path("thinking")));
      case "input_json_delta" -> part(index, "", "", Fields.text(delta, "partial_json"));
      default -> {
        // Signatures and citations.
      }
    }
  }

  private void text(String text) throws Failure {
    if (reasons.isEnd()) {
      answer.afterEnd(text);
    } else if (!text.isEmpty()) {
      answer.delta(text);
    }
  }

  private void thinking(String text) throws Failure {
    if (!text.isEmpty()) {
      thoughts.delta(text);
    }
  }

  private void part(int index, String id, String name, String arguments) throws Failure {
    if (!tools) {
      pieces.onCallNotOffered();
    } else if (!(id.isEmpty() && name.isEmpty() && arguments.isEmpty())) {
      calls.add(index, id, name, arguments);
      pieces.part();
    }
  }

  @Override
  public long kept() {
    return model.length() + calls.kept() + answer.kept() + thoughts.kept();
  }

  @Override
  public boolean isWhole() {
    return reasons.isEnd();
  }

  @Override
  public Ending end() throws Failure {
    if (!begun) {
      throw noReply();
    }
    Usage usage = new Usage(inputTokens, outputTokens);
    Ending ending = new Ending(model, usage, reason(usage), true);
    answer.end();
    thoughts.end();
    calls.end(pieces, ending.finishReason() == FinishReason.LENGTH);
    return ending;
  }

  private FinishReason reason(Usage usage) throws Failure {
    if (!stopped && !reasons.any()) {
      markers.missing();
    }
    boolean any = answer.any() || calls.any();
    return stopped || reasons.any()
        ? markers.reason(reasons, any, usage, maxTokens)
        : reasons.reason();
  }

  private static Failure noReply() {
    return Failure.of(FailureKind.UNEXPECTED_RESPONSE, "HTTP 200 with JSON that is no chat reply");
  }
}
