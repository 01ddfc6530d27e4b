// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire.openai;

import com.fasterxml.jackson.databind.JsonNode;
import dev.offmeter.ChatRequest;
import dev.offmeter.FailureKind;
import dev.offmeter.FinishReason;
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
import dev.offmeter.internal.wire.ThinkTagSplitter;
import dev.offmeter.internal.wire.ToolCallAssembler;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Reads the chunks of a chat completion. A finish reason completes an answer; {@code [DONE]} alone
 * does not, because vLLM, TGI and LocalAI send it after an error too, and some servers never send
 * it.
 */
final class OpenAiEventHandler implements SseReader.EventHandler {
  private final ChatRequest request;
  private final boolean ownLimit;
  private final EndMarkerPolicy markers;
  private final DeltaHandler handler;
  private final ThinkTagSplitter tags;
  private final AnswerText text;
  private final AnswerText thinking;
  private final ToolCallAssembler calls = new ToolCallAssembler();
  private final FinishReasonTracker reasons = new FinishReasonTracker();
  private String model = "";
  private final ReportedUsage usage = new ReportedUsage();
  private boolean reply;
  private boolean deltas;
  private boolean done;
  private int choice = -1;

  /** Whether thinking was reported, which counts against the limit even if it is not shown. */
  private boolean reasoned;

  /**
   * Creates the handler of one reply.
   *
   * @param request decides which tool calls count: those not offered are skipped
   * @param ownLimit whether {@code length} can only mean the request's own limit
   */
  OpenAiEventHandler(
      ChatRequest request, boolean ownLimit, EndMarkerPolicy markers, DeltaHandler handler) {
    this.request = request;
    this.ownLimit = ownLimit;
    this.markers = markers;
    this.handler = handler;
    this.tags = new ThinkTagSplitter(handler);
    this.text = new AnswerText(tags::content, handler::onPart, true);
    this.thinking = new AnswerText(handler::onThinking, handler::onPart, false);
  }

  @Override
  public @Nullable StreamEnd onEvent(JsonNode data) throws AttemptException {
    model = data.path("model").asText(model);
    readUsage(data.path("usage"));
    readTimings(data.path("timings"));
    reply |= data.path("choices").isArray();
    for (JsonNode next : JsonFields.objects(data, "choices")) {
      // One choice was asked for: the first that comes, whatever its index.
      int index = JsonFields.index(next, choice);
      choice = choice < 0 ? index : choice;
      if (index == choice) {
        read(next);
      }
    }
    return null;
  }

  private void readUsage(JsonNode counts) {
    if (counts.isObject()) {
      JsonNode details = counts.path("completion_tokens_details");
      reasoned |= JsonFields.count(details, "reasoning_tokens") > 0;
      usage.setInput(counts, "prompt_tokens");
      usage.setOutput(counts, "completion_tokens");
      usage.setCached(counts.path("prompt_tokens_details").path("cached_tokens"));
      usage.setThinking(details.path("reasoning_tokens"));
      handler.onUsage(usage.usage());
    }
  }

  /** Reads the times that llama-server adds to its last chunk, in milliseconds. */
  private void readTimings(JsonNode timings) {
    if (timings.isObject()) {
      usage.setComputeMillis(timings, "prompt_ms", "predicted_ms");
    }
  }

  private void read(JsonNode choice) throws AttemptException {
    JsonNode error = choice.path("error");
    if ((error.isTextual() || error.isObject()) && !LenientJsonTree.isEmptyValue(error)) {
      throw InBandError.of(choice);
    }
    boolean ended = reasons.isEnd();
    readReasons(choice);
    boolean ends = !ended && reasons.isEnd();
    String piece = readDelta(JsonFields.object(choice, "delta"), ended, ends);
    readMessage(JsonFields.object(choice, "message"), piece, ended, ends);
    if (ends) {
      handler.onTextEnded();
    }
  }

  private void readReasons(JsonNode choice) {
    reasons.add(word(choice.path("finish_reason")));
    reasons.addSecondary(word(choice.path("native_finish_reason")));
    reasons.addSecondary(word(choice.path("finish_details")));
    // vLLM names the stop sequence that it found here.
    String found = word(choice.path("stop_reason"));
    if (!found.isEmpty() && !request.stop().contains(found)) {
      reasons.addSecondary(found);
    }
  }

  private static String word(JsonNode reason) {
    JsonNode word = reason.isObject() ? reason.path("type") : reason;
    return word.isTextual() ? word.textValue() : "";
  }

  /** Returns the text of the delta. */
  private String readDelta(JsonNode delta, boolean ended, boolean ends) throws AttemptException {
    ContentParts content = content(delta);
    readThinking(delta, content, false);
    String piece = content.text();
    if (!piece.isEmpty()) {
      deltas = true;
      if (ended) {
        text.afterEnd(piece);
      } else if (ends) {
        text.onLastDelta(piece);
      } else {
        text.onDelta(piece);
      }
    }
    readTools(delta, false);
    return piece;
  }

  private void readMessage(JsonNode message, String piece, boolean ended, boolean ends)
      throws AttemptException {
    ContentParts content = content(message);
    readThinking(message, content, deltas);
    String whole = content.text();
    if (!whole.isEmpty() && !whole.equals(piece)) {
      if (ended) {
        text.afterEnd(whole);
      } else if (deltas) {
        text.onWholeText(whole);
      } else {
        text.onMessage(whole, ends);
      }
    }
    readTools(message, deltas || calls.hasAny());
  }

  private static ContentParts content(JsonNode message) throws AttemptException {
    if (!JsonFields.informal(message, "refusal").isBlank()) {
      throw AttemptException.of(FailureKind.CONTENT_FILTERED, "the model refuses to answer");
    }
    return ContentParts.of(message.path("content"));
  }

  private void readThinking(JsonNode message, ContentParts content, boolean snapshot)
      throws AttemptException {
    String piece = ContentParts.informal(message.path("reasoning_content"));
    if (piece.isEmpty()) {
      piece = ContentParts.informal(message.path("reasoning"));
    }
    piece = piece.isEmpty() ? content.thinking() : piece;
    if (!piece.isEmpty() && !(snapshot && thinking.hasVisibleText())) {
      thinking.onDelta(piece);
    }
  }

  private void readTools(JsonNode message, boolean snapshot) throws AttemptException {
    if (!request.tools().isEmpty()) {
      readToolCalls(JsonFields.objects(message, "tool_calls"), snapshot && calls.hasAny());
    } else if (!message.path("tool_calls").isEmpty()) {
      handler.onCallNotOffered();
    }
  }

  private void readToolCalls(List<JsonNode> list, boolean snapshot) throws AttemptException {
    int position = 0;
    for (JsonNode call : list) {
      JsonNode function = call.path("function");
      String id = JsonFields.informal(call, "id");
      String name = JsonFields.informal(function, "name");
      String arguments = ToolCallAssembler.text(function.path("arguments"));
      if (snapshot) {
        calls.addSnapshot(position, id, name, arguments);
      } else {
        calls.add(JsonFields.position(call, position), id, name, arguments);
      }
      position++;
      if (!(id.isEmpty() && name.isEmpty() && arguments.isEmpty())) {
        handler.onPart();
      }
    }
  }

  @Override
  public long kept() {
    return model.length() + calls.keptCharacters() + text.kept() + thinking.kept();
  }

  @Override
  public boolean isWhole() {
    return reasons.isEnd();
  }

  @Override
  public @Nullable StreamEnd onDone() throws AttemptException {
    done = true;
    if (!reply || reasons.hasReason() || markers.isMarkerEnough()) {
      return onEnd();
    }
    handler.onTextEnded();
    return null;
  }

  @Override
  public StreamEnd onEnd() throws AttemptException {
    if (!reply) {
      throw AttemptException.of(
          FailureKind.UNEXPECTED_RESPONSE, "HTTP 200 with JSON that is not a chat reply");
    }
    StreamEnd streamEnd = new StreamEnd(model, usage.usage(), reason(), ownLimit || reasoned);
    text.onEnd();
    thinking.onEnd();
    tags.endAnswer();
    calls.emit(handler, streamEnd.finishReason() == FinishReason.LENGTH);
    return streamEnd;
  }

  private FinishReason reason() throws AttemptException {
    if (!done && !reasons.hasReason()) {
      markers.onMissing();
    }
    boolean any = text.hasVisibleText() || calls.hasAny();
    return done || reasons.hasReason()
        ? markers.reason(reasons, any, usage.usage(), request.maxTokens())
        : reasons.reason();
  }
}
