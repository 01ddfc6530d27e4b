// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import com.fasterxml.jackson.databind.JsonNode;
import dev.offmeter.FailureKind;
import dev.offmeter.FinishReason;
import dev.offmeter.Usage;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The chunks of a chat completion. A finish reason makes an answer whole; {@code [DONE]} does not,
 * for vLLM, TGI and LocalAI send it after an error too, and some servers never send it.
 */
final class OpenAiReply implements EventReading.Events {
  private final boolean tools;
  private final boolean ownLimit;
  private final Pieces pieces;
  private final ThinkTags tags;
  private final ToolCallPieces calls = new ToolCallPieces();
  private String model = "";
  private String finish = "";
  private Usage usage = Usage.NONE;
  private boolean reply;

  /** Thinking that is not shown counts against the limit all the same. */
  private boolean reasoned;

  /**
   * A reply.
   *
   * @param tools whether tools were offered; calls of others mean nothing and are skipped
   * @param ownLimit whether {@code length} can only mean the request's own limit
   */
  OpenAiReply(boolean tools, boolean ownLimit, Pieces pieces) {
    this.tools = tools;
    this.ownLimit = ownLimit;
    this.pieces = pieces;
    this.tags = new ThinkTags(pieces);
  }

  @Override
  public @Nullable Ending event(JsonNode data) throws Failure {
    model = data.path("model").asText(model);
    readUsage(data.path("usage"));
    reply |= data.path("choices").isArray();
    for (JsonNode choice : Fields.objects(data, "choices")) {
      if (choice.path("index").asInt() == 0) {
        read(choice);
      }
    }
    return null;
  }

  @Override
  public Ending whole(JsonNode whole) throws Failure {
    event(whole);
    return end();
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
    JsonNode message = Fields.object(choice, choice.hasNonNull("message") ? "message" : "delta");
    String thinking = Fields.text(message, "reasoning_content");
    if (thinking.isEmpty()) {
      thinking = Fields.text(message, "reasoning");
    }
    if (!thinking.isEmpty()) {
      pieces.thinking(thinking);
    }
    String content = Fields.text(message, "content");
    if (!content.isEmpty()) {
      tags.content(content);
    }
    if (!Fields.text(message, "refusal").isEmpty()) {
      throw Failure.of(FailureKind.CONTENT_FILTERED, "the model refuses to answer");
    }
    if (tools) {
      readToolCalls(Fields.objects(message, "tool_calls"));
    }
    finish = choice.path("finish_reason").asText(finish);
  }

  private void readToolCalls(List<JsonNode> list) throws Failure {
    int position = 0;
    for (JsonNode call : list) {
      JsonNode function = call.path("function");
      JsonNode arguments = function.path("arguments");
      // LocalAI and others have sent an object where OpenAI sends its text.
      calls.add(
          call.path("index").asInt(position++),
          Fields.text(call, "id"),
          Fields.text(function, "name"),
          arguments.isObject() ? arguments.toString() : Fields.text(function, "arguments"));
      pieces.part();
    }
  }

  @Override
  public Ending end() throws Failure {
    if (!reply) {
      throw Failure.of(FailureKind.NOT_AN_ANSWER, "HTTP 200 with JSON that is no chat reply");
    }
    Ending ending = new Ending(model, usage, reason(), ownLimit || reasoned);
    tags.endAnswer();
    calls.end(pieces, ending.finishReason() == FinishReason.LENGTH);
    return ending;
  }

  /** TGI says {@code eos_token} and {@code stop_sequence} where others say {@code stop}. */
  private FinishReason reason() throws Failure {
    return switch (finish) {
      case "stop", "eos_token", "stop_sequence", "tool_calls", "function_call" -> FinishReason.STOP;
      case "length" -> FinishReason.LENGTH;
      case "" ->
          throw Failure.of(FailureKind.INCOMPLETE, "the answer ended without its end marker");
      case "content_filter" ->
          throw Failure.of(FailureKind.CONTENT_FILTERED, "the content filter stopped the answer");
      case "error", "abort" ->
          throw Failure.of(FailureKind.STREAM_ERROR, "the server gave the answer up");
      default -> throw Failure.of(FailureKind.INCOMPLETE, "ended, but for no known reason");
    };
  }
}
