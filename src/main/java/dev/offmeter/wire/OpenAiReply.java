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
 * The chunks of a chat completion. A finish reason makes an answer whole; {@code [DONE]} alone does
 * not, for vLLM, TGI and LocalAI send it after an error too, and some servers never send it.
 */
final class OpenAiReply implements EventReading.Events {
  private final ChatRequest request;
  private final boolean ownLimit;
  private final EndMarkers markers;
  private final Pieces pieces;
  private final ThinkTags tags;
  private final AnswerText text;
  private final AnswerText thinking;
  private final ToolCallPieces calls = new ToolCallPieces();
  private final FinishReasons reasons = new FinishReasons();
  private String model = "";
  private Usage usage = Usage.NONE;
  private boolean reply;
  private boolean deltas;
  private boolean done;
  private int choice = -1;

  /** Thinking that is not shown counts against the limit all the same. */
  private boolean reasoned;

  /**
   * A reply.
   *
   * @param request calls of tools that it does not offer mean nothing and are skipped
   * @param ownLimit whether {@code length} can only mean the request's own limit
   */
  OpenAiReply(ChatRequest request, boolean ownLimit, EndMarkers markers, Pieces pieces) {
    this.request = request;
    this.ownLimit = ownLimit;
    this.markers = markers;
    this.pieces = pieces;
    this.tags = new ThinkTags(pieces);
    this.text = new AnswerText(tags::content, pieces::part, true);
    this.thinking = new AnswerText(pieces::thinking, pieces::part, false);
  }

  @Override
  public @Nullable Ending event(JsonNode data) throws Failure {
    model = data.path("model").asText(model);
    readUsage(data.path("usage"));
    reply |= data.path("choices").isArray();
    for (JsonNode next : Fields.objects(data, "choices")) {
      // One was asked for; the first that comes is it, however the server counts.
      int index = Fields.index(next, choice);
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
      reasoned |= Fields.count(details, "reasoning_tokens") > 0;
      usage =
          new Usage(
              Fields.count(counts, "prompt_tokens"), Fields.count(counts, "completion_tokens"));
    }
  }

  private void read(JsonNode choice) throws Failure {
    JsonNode error = choice.path("error");
    if ((error.isTextual() || error.isObject()) && !ReplyTree.saysNothing(error)) {
      throw InBandError.of(choice);
    }
    boolean ended = reasons.isEnd();
    readReasons(choice);
    boolean ends = !ended && reasons.isEnd();
    String piece = readDelta(Fields.object(choice, "delta"), ended, ends);
    readMessage(Fields.object(choice, "message"), piece, ended, ends);
    if (ends) {
      pieces.onTextEnded();
    }
  }

  private void readReasons(JsonNode choice) {
    reasons.add(word(choice.path("finish_reason")));
    reasons.addBeside(word(choice.path("native_finish_reason")));
    reasons.addBeside(word(choice.path("finish_details")));
    // vLLM names the stop sequence here that it found.
    String found = word(choice.path("stop_reason"));
    if (!found.isEmpty() && !request.stop().contains(found)) {
      reasons.addBeside(found);
    }
  }

  private static String word(JsonNode reason) {
    JsonNode word = reason.isObject() ? reason.path("type") : reason;
    return word.isTextual() ? word.textValue() : "";
  }

  /** Returns the text of the delta. */
  private String readDelta(JsonNode delta, boolean ended, boolean ends) throws Failure {
    Content content = content(delta);
    readThinking(delta, content, false);
    String piece = content.text();
    if (!piece.isEmpty()) {
      deltas = true;
      if (ended) {
        text.afterEnd(piece);
      } else if (ends) {
        text.last(piece);
      } else {
        text.delta(piece);
      }
    }
    readTools(delta, false);
    return piece;
  }

  private void readMessage(JsonNode message, String piece, boolean ended, boolean ends)
      throws Failure {
    Content content = content(message);
    readThinking(message, content, deltas);
    String whole = content.text();
    if (!whole.isEmpty() && !whole.equals(piece)) {
      if (ended) {
        text.afterEnd(whole);
      } else if (deltas) {
        text.whole(whole);
      } else {
        text.message(whole, ends);
      }
    }
    readTools(message, deltas || calls.any());
  }

  private static Content content(JsonNode message) throws Failure {
    if (!Fields.informal(message, "refusal").isBlank()) {
      throw Failure.of(FailureKind.CONTENT_FILTERED, "the model refuses to answer");
    }
    return Content.of(message.path("content"));
  }

  private void readThinking(JsonNode message, Content content, boolean snapshot) throws Failure {
    String piece = Content.informal(message.path("reasoning_content"));
    if (piece.isEmpty()) {
      piece = Content.informal(message.path("reasoning"));
    }
    piece = piece.isEmpty() ? content.thinking() : piece;
    if (!piece.isEmpty() && !(snapshot && thinking.any())) {
      thinking.delta(piece);
    }
  }

  private void readTools(JsonNode message, boolean snapshot) throws Failure {
    if (!request.tools().isEmpty()) {
      readToolCalls(Fields.objects(message, "tool_calls"), snapshot && calls.any());
    } else if (!message.path("tool_calls").isEmpty()) {
      pieces.onCallNotOffered();
    }
  }

  private void readToolCalls(List<JsonNode> list, boolean snapshot) throws Failure {
    int position = 0;
    for (JsonNode call : list) {
      JsonNode function = call.path("function");
      String id = Fields.informal(call, "id");
      String name = Fields.informal(function, "name");
      String arguments = ToolCallPieces.text(function.path("arguments"));
      if (snapshot) {
        calls.addSnapshot(position, id, name, arguments);
      } else {
        calls.add(Fields.position(call, position), id, name, arguments);
      }
      position++;
      if (!(id.isEmpty() && name.isEmpty() && arguments.isEmpty())) {
        pieces.part();
      }
    }
  }

  @Override
  public long kept() {
    return model.length() + calls.kept() + text.kept() + thinking.kept();
  }

  @Override
  public boolean isWhole() {
    return reasons.isEnd();
  }

  @Override
  public @Nullable Ending done() throws Failure {
    done = true;
    if (!reply || reasons.any() || markers.areEnough()) {
      return end();
    }
    pieces.onTextEnded();
    return null;
  }

  @Override
  public Ending end() throws Failure {
    if (!reply) {
      throw Failure.of(FailureKind.UNEXPECTED_RESPONSE, "HTTP 200 with JSON that is no chat reply");
    }
    Ending ending = new Ending(model, usage, reason(), ownLimit || reasoned);
    text.end();
    thinking.end();
    tags.endAnswer();
    calls.end(pieces, ending.finishReason() == FinishReason.LENGTH);
    return ending;
  }

  private FinishReason reason() throws Failure {
    if (!done && !reasons.any()) {
      markers.missing();
    }
    boolean any = text.any() || calls.any();
    return done || reasons.any()
        ? markers.reason(reasons, any, usage, request.maxTokens())
        : reasons.reason();
  }
}
