// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire.gemini;

import com.fasterxml.jackson.databind.JsonNode;
import dev.offmeter.FailureKind;
import dev.offmeter.FinishReason;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.wire.AnswerText;
import dev.offmeter.internal.wire.ContentParts;
import dev.offmeter.internal.wire.DeltaHandler;
import dev.offmeter.internal.wire.FinishReasonTracker;
import dev.offmeter.internal.wire.JsonFields;
import dev.offmeter.internal.wire.ReportedUsage;
import dev.offmeter.internal.wire.SseReader;
import dev.offmeter.internal.wire.StreamEnd;
import dev.offmeter.internal.wire.ToolCallAssembler;
import org.jspecify.annotations.Nullable;

/**
 * Reads the chunks of a Gemini answer. Its finish reason is the only end marker; the end of the
 * body is awaited for a moment after it, because the count of tokens may follow. Every level of a
 * chunk may be missing.
 */
final class GeminiEventHandler implements SseReader.EventHandler {
  private final boolean tools;
  private final DeltaHandler handler;
  private final AnswerText answer;
  private final AnswerText thinking;
  private final ToolCallAssembler calls = new ToolCallAssembler();
  private final FinishReasonTracker reasons = new FinishReasonTracker();
  private String model = "";
  private final ReportedUsage usage = new ReportedUsage();
  private boolean reply;
  private int candidate = -1;

  /**
   * Creates the handler of one reply.
   *
   * @param tools whether tools were offered; other calls are skipped
   */
  GeminiEventHandler(boolean tools, DeltaHandler handler) {
    this.tools = tools;
    this.handler = handler;
    this.answer = new AnswerText(handler::onText, handler::onPart, true);
    this.thinking = new AnswerText(handler::onThinking, handler::onPart, false);
  }

  @Override
  public @Nullable StreamEnd onEvent(JsonNode data) throws AttemptException {
    String blocked = data.path("promptFeedback").path("blockReason").asText("");
    if (!blocked.isEmpty() && !blocked.equals("BLOCK_REASON_UNSPECIFIED")) {
      throw AttemptException.told(
          FailureKind.CONTENT_FILTERED, "the prompt was blocked: " + blocked);
    }
    reply |= data.has("candidates") || data.has("usageMetadata");
    model = data.path("modelVersion").asText(model);
    readUsage(data.path("usageMetadata"));
    for (JsonNode next : JsonFields.objects(data, "candidates")) {
      // One candidate was asked for: the first that comes.
      int index = JsonFields.index(next, candidate);
      candidate = candidate < 0 ? index : candidate;
      if (index == candidate) {
        read(next);
      }
    }
    return null;
  }

  /** Adds the count of thinking, which Gemini reports apart from the answer, to the output. */
  private void readUsage(JsonNode counts) {
    if (counts.isObject()) {
      usage.setInput(counts, "promptTokenCount", "toolUsePromptTokenCount");
      usage.setOutput(counts, "candidatesTokenCount", "thoughtsTokenCount");
      usage.setCached(counts.path("cachedContentTokenCount"));
      usage.setThinking(counts.path("thoughtsTokenCount"));
      handler.onUsage(usage.usage());
    }
  }

  private void read(JsonNode candidate) throws AttemptException {
    boolean ended = reasons.isEnd();
    reasons.add(candidate.path("finishReason").asText(""));
    boolean ends = !ended && reasons.isEnd();
    String text = "";
    for (JsonNode part : JsonFields.objects(JsonFields.object(candidate, "content"), "parts")) {
      if (part.path("thought").asBoolean()) {
        addThinking(ContentParts.informal(part.path("text")));
      } else {
        text = text.concat(JsonFields.text(part, "text"));
      }
      readCallIfAny(part.path("functionCall"));
    }
    if (!text.isEmpty()) {
      addText(text, ended, ends);
    }
    if (ends) {
      handler.onTextEnded();
    }
  }

  private void readCallIfAny(JsonNode call) throws AttemptException {
    if (tools && call.isObject()) {
      readCall(call);
    } else if (call.isObject()) {
      handler.onCallNotOffered();
    }
  }

  private void addThinking(String text) throws AttemptException {
    if (!text.isEmpty()) {
      thinking.onDelta(text);
    }
  }

  private void addText(String text, boolean ended, boolean ends) throws AttemptException {
    if (ended) {
      answer.afterEnd(text);
    } else if (ends) {
      answer.onLastDelta(text);
    } else {
      answer.onDelta(text);
    }
  }

  private void readCall(JsonNode call) throws AttemptException {
    calls.addWhole(
        -1, JsonFields.informal(call, "id"), JsonFields.informal(call, "name"), call.path("args"));
    handler.onPart();
  }

  @Override
  public long kept() {
    return model.length() + calls.keptCharacters() + answer.kept() + thinking.kept();
  }

  @Override
  public boolean isWhole() {
    return reasons.isEnd();
  }

  @Override
  public StreamEnd onEnd() throws AttemptException {
    if (!reply) {
      throw AttemptException.of(
          FailureKind.UNEXPECTED_RESPONSE, "HTTP 200 with JSON that is not a chat reply");
    }
    StreamEnd streamEnd = new StreamEnd(model, usage.usage(), reasons.reason(), true);
    answer.onEnd();
    thinking.onEnd();
    calls.emit(handler, streamEnd.finishReason() == FinishReason.LENGTH);
    return streamEnd;
  }
}
