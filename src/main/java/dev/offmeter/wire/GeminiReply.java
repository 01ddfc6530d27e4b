// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import com.fasterxml.jackson.databind.JsonNode;
import dev.offmeter.FailureKind;
import dev.offmeter.FinishReason;
import dev.offmeter.Usage;
import org.jspecify.annotations.Nullable;

/**
 * The chunks of a Gemini answer. There is no end marker but a finish reason; the end of the body is
 * awaited after it for a moment, because the count of tokens may follow. Every level may be
 * missing.
 */
final class GeminiReply implements EventReading.Events {
  private final boolean tools;
  private final Pieces pieces;
  private final AnswerText answer;
  private final AnswerText thinking;
  private final ToolCallPieces calls = new ToolCallPieces();
  private final FinishReasons reasons = new FinishReasons();
  private String model = "";
  private Usage usage = Usage.NONE;
  private boolean reply;
  private int candidate = -1;

  /**
   * A reply.
   *
   * @param tools whether tools were offered; calls of others mean nothing and are skipped
   */
  GeminiReply(boolean tools, Pieces pieces) {
    this.tools = tools;
    this.pieces = pieces;
    this.answer = new AnswerText(pieces::text, pieces::part, true);
    this.thinking = new AnswerText(pieces::thinking, pieces::part, false);
  }

  @Override
  public @Nullable Ending event(JsonNode data) throws Failure {
    String blocked = data.path("promptFeedback").path("blockReason").asText("");
    if (!blocked.isEmpty() && !blocked.equals("BLOCK_REASON_UNSPECIFIED")) {
      throw Failure.told(FailureKind.CONTENT_FILTERED, "the prompt was blocked: " + blocked);
    }
    reply |= data.has("candidates") || data.has("usageMetadata");
    model = data.path("modelVersion").asText(model);
    readUsage(data.path("usageMetadata"));
    for (JsonNode next : Fields.objects(data, "candidates")) {
      // One was asked for; the first that comes is it.
      int index = Fields.index(next, candidate);
      candidate = candidate < 0 ? index : candidate;
      if (index == candidate) {
        read(next);
      }
    }
    return null;
  }

  /** Thinking is counted apart from the answer, but is generated all the same. */
  private void readUsage(JsonNode counts) {
    if (counts.isObject()) {
      int generated = Count.sum(counts, "candidatesTokenCount", "thoughtsTokenCount");
      usage = new Usage(Fields.count(counts, "promptTokenCount"), generated);
    }
  }

  private void read(JsonNode candidate) throws Failure {
    boolean ended = reasons.isEnd();
    reasons.add(candidate.path("finishReason").asText(""));
    boolean ends = !ended && reasons.isEnd();
    String text = "";
    for (JsonNode part : Fields.objects(Fields.object(candidate, "content"), "parts")) {
      if (part.path("thought").asBoolean()) {
        think(Content.informal(part.path("text")));
      } else {
        text = text.concat(Fields.text(part, "text"));
      }
      readCallIfAny(part.path("functionCall"));
    }
    if (!text.isEmpty()) {
      say(text, ended, ends);
    }
    if (ends) {
      pieces.onTextEnded();
    }
  }

  private void readCallIfAny(JsonNode call) throws Failure {
    if (tools && call.isObject()) {
      readCall(call);
    } else if (call.isObject()) {
      pieces.onCallNotOffered();
    }
  }

  private void think(String text) throws Failure {
    if (!text.isEmpty()) {
      thinking.delta(text);
    }
  }

  private void say(String text, boolean ended, boolean ends) throws Failure {
    if (ended) {
      answer.afterEnd(text);
    } else if (ends) {
      answer.last(text);
    } else {
      answer.delta(text);
    }
  }

  private void readCall(JsonNode call) throws Failure {
    calls.addWhole(
        -1, Fields.informal(call, "id"), Fields.informal(call, "name"), call.path("args"));
    pieces.part();
  }

  @Override
  public long kept() {
    return model.length() + calls.kept() + answer.kept() + thinking.kept();
  }

  @Override
  public boolean isWhole() {
    return reasons.isEnd();
  }

  @Override
  public Ending end() throws Failure {
    if (!reply) {
      throw Failure.of(FailureKind.UNEXPECTED_RESPONSE, "HTTP 200 with JSON that is no chat reply");
    }
    Ending ending = new Ending(model, usage, reasons.reason(), true);
    answer.end();
    thinking.end();
    calls.end(pieces, ending.finishReason() == FinishReason.LENGTH);
    return ending;
  }
}
