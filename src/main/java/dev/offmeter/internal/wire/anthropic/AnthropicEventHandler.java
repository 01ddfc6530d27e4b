// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire.anthropic;

import com.fasterxml.jackson.databind.JsonNode;
import dev.offmeter.ChatRequest;
import dev.offmeter.FailureKind;
import dev.offmeter.FinishReason;
import dev.offmeter.Usage;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.wire.AnswerText;
import dev.offmeter.internal.wire.ContentParts;
import dev.offmeter.internal.wire.DeltaHandler;
import dev.offmeter.internal.wire.EndMarkerPolicy;
import dev.offmeter.internal.wire.FinishReasonTracker;
import dev.offmeter.internal.wire.InBandError;
import dev.offmeter.internal.wire.JsonFields;
import dev.offmeter.internal.wire.LenientJsonTree;
import dev.offmeter.internal.wire.ReportedUsage;
import dev.offmeter.internal.wire.SseReader;
import dev.offmeter.internal.wire.StreamEnd;
import dev.offmeter.internal.wire.ToolCallAssembler;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Reads the events of an Anthropic message. A stop reason, which comes after all content blocks,
 * completes it; {@code message_stop} alone does not.
 */
final class AnthropicEventHandler implements SseReader.EventHandler {
  private final boolean tools;
  private final int maxTokens;
  private final EndMarkerPolicy markers;
  private final DeltaHandler handler;
  private final AnswerText answer;
  private final AnswerText thoughts;
  private final ToolCallAssembler calls = new ToolCallAssembler();
  private final FinishReasonTracker reasons = new FinishReasonTracker();
  private String model = "";
  private boolean stopped;
  private final ReportedUsage usage = new ReportedUsage();
  private boolean begun;

  /**
   * Creates the handler of one reply.
   *
   * @param request decides which tool calls count: those not offered are skipped
   */
  AnthropicEventHandler(ChatRequest request, EndMarkerPolicy markers, DeltaHandler handler) {
    this.tools = !request.tools().isEmpty();
    this.maxTokens = request.maxTokens();
    this.markers = markers;
    this.handler = handler;
    this.answer = new AnswerText(handler::onText, handler::onPart, true);
    this.thoughts = new AnswerText(handler::onThinking, handler::onPart, false);
  }

  @Override
  public @Nullable StreamEnd onEvent(JsonNode data) throws AttemptException {
    String type = data.path("type").asText("");
    // Some servers that imitate Anthropic omit message_start.
    begun |= type.startsWith("content_block") || type.equals("message_delta");
    switch (type) {
      case "message" -> {
        return onWholeMessage(data);
      }
      case "message_start" -> onMessageStart(JsonFields.object(data, "message"));
      case "content_block_start" ->
          readBlock(JsonFields.position(data, 0), JsonFields.object(data, "content_block"));
      case "content_block_delta" ->
          readDelta(JsonFields.position(data, 0), JsonFields.object(data, "delta"));
      case "content_block_stop" -> {
        answer.settleOpening();
        thoughts.settleOpening();
      }
      case "message_delta" -> {
        onStop(data.path("delta").path("stop_reason").asText(""));
        readUsage(data.path("usage"));
      }
      case "message_stop" -> {
        return onStop();
      }
      case "error" -> throw InBandError.of(data);
      default -> {
        // Pings, and event types that are yet to come.
      }
    }
    return null;
  }

  private void onStop(String reason) {
    boolean ended = reasons.isEnd();
    reasons.add(reason);
    if (!ended && reasons.isEnd()) {
      handler.onTextEnded();
    }
  }

  private @Nullable StreamEnd onStop() throws AttemptException {
    stopped = true;
    if (!begun || reasons.hasReason() || markers.isMarkerEnough()) {
      return onEnd();
    }
    handler.onTextEnded();
    return null;
  }

  /** Reads a message that is not streamed, or a snapshot of one that is. */
  private StreamEnd onWholeMessage(JsonNode onWholeMessage) throws AttemptException {
    List<JsonNode> blocks = JsonFields.objects(onWholeMessage, "content");
    if (answer.hasVisibleText()) {
      StringBuilder text = new StringBuilder();
      for (JsonNode block : blocks) {
        text.append(JsonFields.text(block, "text"));
      }
      answer.onWholeText(text.toString());
    } else {
      onMessageStart(onWholeMessage);
      int index = 0;
      for (JsonNode block : blocks) {
        readBlock(index++, block);
      }
    }
    onStop(onWholeMessage.path("stop_reason").asText(""));
    stopped = true;
    return onEnd();
  }

  private void onMessageStart(JsonNode message) {
    begun = true;
    model = message.path("model").asText("");
    readUsage(message.path("usage"));
  }

  /**
   * Reads the usage. Anthropic counts input read from or written to the cache separately; the count
   * of output at the start is provisional.
   */
  private void readUsage(JsonNode counts) {
    if (counts.hasNonNull("input_tokens")) {
      usage.setInput(
          counts, "input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens");
      usage.setCached(counts.path("cache_read_input_tokens"));
      usage.setCacheWrite(counts.path("cache_creation_input_tokens"));
    }
    if (counts.has("output_tokens")) {
      usage.setOutput(counts, "output_tokens");
    }
    if (counts.isObject()) {
      handler.onUsage(usage.usage());
    }
  }

  private void readBlock(int index, JsonNode block) throws AttemptException {
    switch (block.path("type").asText("")) {
      case "text" -> openText(JsonFields.text(block, "text"));
      case "thinking" -> {
        String begun = ContentParts.informal(block.path("thinking"));
        if (!begun.isEmpty()) {
          thoughts.onOpening(begun);
        }
      }
      case "tool_use" -> {
        JsonNode input = block.path("input");
        // In a stream the input is empty here, and follows as text in deltas.
        String whole = LenientJsonTree.isEmptyValue(input) ? "" : ToolCallAssembler.text(input);
        part(index, JsonFields.informal(block, "id"), JsonFields.informal(block, "name"), whole);
      }
      default -> {
        // Redacted thinking, and block types that are yet to come.
      }
    }
  }

  private void openText(String text) throws AttemptException {
    if (reasons.isEnd()) {
      answer.afterEnd(text);
    } else if (!text.isEmpty()) {
      answer.onOpening(text);
    }
  }

  private void readDelta(int index, JsonNode delta) throws AttemptException {
    switch (delta.path("type").asText("")) {
      case "text_delta" -> text(JsonFields.text(delta, "text"));
      case "thinking_delta" -> thinking(ContentParts.informal(delta.path("thinking")));
      case "input_json_delta" -> part(index, "", "", JsonFields.text(delta, "partial_json"));
      default -> {
        // Signatures and citations.
      }
    }
  }

  private void text(String text) throws AttemptException {
    if (reasons.isEnd()) {
      answer.afterEnd(text);
    } else if (!text.isEmpty()) {
      answer.onDelta(text);
    }
  }

  private void thinking(String text) throws AttemptException {
    if (!text.isEmpty()) {
      thoughts.onDelta(text);
    }
  }

  private void part(int index, String id, String name, String arguments) throws AttemptException {
    if (!tools) {
      handler.onCallNotOffered();
    } else if (!(id.isEmpty() && name.isEmpty() && arguments.isEmpty())) {
      calls.add(index, id, name, arguments);
      handler.onPart();
    }
  }

  @Override
  public long kept() {
    return model.length() + calls.keptCharacters() + answer.kept() + thoughts.kept();
  }

  @Override
  public boolean isWhole() {
    return reasons.isEnd();
  }

  @Override
  public StreamEnd onEnd() throws AttemptException {
    if (!begun) {
      throw noReply();
    }
    Usage reported = usage.usage();
    StreamEnd streamEnd = new StreamEnd(model, reported, reason(reported), true);
    answer.onEnd();
    thoughts.onEnd();
    calls.emit(handler, streamEnd.finishReason() == FinishReason.LENGTH);
    return streamEnd;
  }

  private FinishReason reason(Usage reported) throws AttemptException {
    if (!stopped && !reasons.hasReason()) {
      markers.onMissing();
    }
    boolean any = answer.hasVisibleText() || calls.hasAny();
    return stopped || reasons.hasReason()
        ? markers.reason(reasons, any, reported, maxTokens)
        : reasons.reason();
  }

  private static AttemptException noReply() {
    return AttemptException.of(
        FailureKind.UNEXPECTED_RESPONSE, "HTTP 200 with JSON that is not a chat reply");
  }
}
