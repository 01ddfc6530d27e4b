// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire.ollama;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.offmeter.FailureKind;
import dev.offmeter.FinishReason;
import dev.offmeter.Usage;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.wire.ContentParts;
import dev.offmeter.internal.wire.FinishReasonPhrases;
import dev.offmeter.internal.wire.FinishReasonTracker;
import dev.offmeter.internal.wire.InBandError;
import dev.offmeter.internal.wire.JsonFields;
import dev.offmeter.internal.wire.LenientJsonTree;
import dev.offmeter.internal.wire.ReportedUsage;
import dev.offmeter.internal.wire.StreamEnd;
import dev.offmeter.internal.wire.TokenCount;
import dev.offmeter.internal.wire.ToolCallAssembler;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/**
 * Reads one object of Ollama's reply. One instance is refilled for each. Of a duplicate field the
 * last that is not empty counts.
 */
final class OllamaChunk {
  private final boolean tools;
  private final int maxTokens;
  private final OllamaContextWindow context;
  private final ToolCallAssembler calls = new ToolCallAssembler();
  private final LenientJsonTree trees = new LenientJsonTree();
  private String model = "";
  private String content = "";
  private String thinking = "";
  private int parts;
  private @Nullable ObjectNode error;
  private boolean notOffered;
  private boolean hasContent;
  private boolean begun;
  private boolean reply;
  private boolean done;
  private String doneReason = "";
  private int inputTokens;
  private int outputTokens;
  private double promptNanos;
  private double answerNanos;
  private double loadNanos;

  /**
   * Creates the reader of the chunks of one reply.
   *
   * @param tools whether tools were offered; other calls are skipped
   * @param maxTokens the request's limit
   * @param context the context that is known of the server
   */
  OllamaChunk(boolean tools, int maxTokens, OllamaContextWindow context) {
    this.tools = tools;
    this.maxTokens = maxTokens;
    this.context = context;
  }

  /** Returns how many characters are kept beyond the line. */
  long kept() {
    return model.length() + calls.keptCharacters();
  }

  /** Reads the object that {@code parser} has just entered. */
  void read(JsonParser parser) throws IOException, AttemptException {
    begun = true;
    content = "";
    thinking = "";
    parts = 0;
    doneReason = "";
    error = null;
    hasContent = false;
    trees.reset();
    try {
      readFields(parser);
    } finally {
      trees.reset();
    }
  }

  private void readFields(JsonParser parser) throws IOException, AttemptException {
    boolean text = false;
    boolean ends = false;
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      String name = parser.currentName();
      JsonToken value = parser.nextToken();
      switch (name) {
        case "message" -> {
          if (value == JsonToken.VALUE_STRING) {
            text = true;
            readError(name, value, parser);
          } else {
            reply = true;
            readMessage(parser, value);
          }
        }
        case "model" -> model = informal(parser, value, model);
        case "done" -> {
          reply = true;
          ends = true;
          done = value == JsonToken.VALUE_TRUE;
          parser.skipChildren();
        }
        case "done_reason" -> doneReason = informal(parser, value, doneReason);
        case "prompt_eval_count" -> inputTokens = TokenCount.of(parser, value);
        case "eval_count" -> outputTokens = TokenCount.of(parser, value);
        case "prompt_eval_duration" -> promptNanos = nanos(parser, value);
        case "eval_duration" -> answerNanos = nanos(parser, value);
        case "load_duration" -> loadNanos = nanos(parser, value);
        case "error",
            "error_type",
            "error_msg",
            "error_message",
            "errorMessage",
            "code",
            "detail",
            "errors",
            "title",
            "status",
            "object",
            "type" ->
            readError(name, value, parser);
        default -> {
          if (name.startsWith("error ")) {
            readError(name, value, parser);
          } else {
            parser.skipChildren();
          }
        }
      }
    }
    if (error != null && hasContent) {
      error.put("content", "");
    }
    // Beside a code, a status or a type, a message describes the server and is not the model's.
    boolean status = !ends && error != null && error.size() > 1;
    if (text && (ends || error == null || !(status || InBandError.isIn(error)))) {
      throw AttemptException.of(FailureKind.UNEXPECTED_RESPONSE, "a message that is not an object");
    }
  }

  /** Reads a duration; a value that is no number is none. */
  private static double nanos(JsonParser parser, JsonToken value) throws IOException {
    if (value.isNumeric()) {
      return parser.getDoubleValue();
    }
    parser.skipChildren();
    return 0;
  }

  /** Keeps the error as it is: it is classified as a whole. */
  private void readError(String name, JsonToken value, JsonParser parser) throws IOException {
    if (value == JsonToken.VALUE_NULL) {
      return;
    }
    ObjectNode told = error == null ? JsonNodeFactory.instance.objectNode() : error;
    told.set(name, trees.read(parser, value));
    error = told;
  }

  private void readMessage(JsonParser parser, JsonToken message)
      throws IOException, AttemptException {
    if (message == JsonToken.VALUE_NULL) {
      return;
    }
    if (message != JsonToken.START_OBJECT) {
      throw AttemptException.of(FailureKind.UNEXPECTED_RESPONSE, "a message that is not an object");
    }
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      String name = parser.currentName();
      JsonToken value = parser.nextToken();
      switch (name) {
        case "content" -> {
          hasContent = true;
          readContent(parser, value);
        }
        case "tool_calls" -> {
          if (tools) {
            readToolCalls(parser, value);
          } else {
            skipToolCalls(parser, value);
          }
        }
        case "thinking" -> {
          String more =
              value == JsonToken.VALUE_STRING
                  ? parser.getText()
                  : ContentParts.informal(trees.read(parser, value));
          thinking = more.isEmpty() ? thinking : more;
        }
        case "detail", "error" -> readError(name, value, parser);
        default -> parser.skipChildren();
      }
    }
  }

  private void readContent(JsonParser parser, JsonToken value)
      throws IOException, AttemptException {
    if (value == JsonToken.VALUE_STRING) {
      String more = parser.getText();
      content = more.isEmpty() ? content : more;
    } else if (value != JsonToken.VALUE_NULL) {
      ContentParts parts = ContentParts.of(trees.read(parser, value));
      content = parts.text().isEmpty() ? content : parts.text();
      thinking = parts.thinking().isEmpty() ? thinking : parts.thinking();
    }
  }

  private void readToolCalls(JsonParser parser, JsonToken value)
      throws IOException, AttemptException {
    JsonNode list = trees.read(parser, value);
    if (!list.isArray() && !list.isNull()) {
      throw AttemptException.of(FailureKind.UNEXPECTED_RESPONSE, "tool calls that are not a list");
    }
    for (JsonNode call : list) {
      JsonNode function = call.path("function");
      calls.addWhole(
          JsonFields.position(function, -1),
          JsonFields.informal(call, "id"),
          JsonFields.informal(function, "name"),
          function.path("arguments"));
      parts++;
    }
  }

  private void skipToolCalls(JsonParser parser, JsonToken value) throws IOException {
    if (value == JsonToken.START_ARRAY) {
      while (parser.nextToken() != JsonToken.END_ARRAY) {
        notOffered = true;
        parser.skipChildren();
      }
    } else {
      parser.skipChildren();
    }
  }

  /** Reads a text, and ignores a value of another type: no answer stands there. */
  private static String informal(JsonParser parser, JsonToken value, String before)
      throws IOException {
    if (value == JsonToken.VALUE_STRING && !parser.getText().isEmpty()) {
      return parser.getText();
    }
    parser.skipChildren();
    return before;
  }

  String content() {
    return content;
  }

  String thinking() {
    return thinking;
  }

  /** Returns how many tool calls were in the object. */
  int parts() {
    return parts;
  }

  /** Returns whether there has been a tool call although no tools were offered. */
  boolean hasCallNotOffered() {
    return notOffered;
  }

  /** Returns all tool calls so far. */
  ToolCallAssembler calls() {
    return calls;
  }

  /** Returns whether any object has begun: then an early end means a truncated answer. */
  boolean isBegun() {
    return begun;
  }

  /** Returns whether any object so far looked like part of a reply. */
  boolean isReply() {
    return reply;
  }

  boolean done() {
    return done;
  }

  /** Returns whether the object says why the answer ended, though not that it did. */
  boolean hasReason() {
    return FinishReasonPhrases.of(doneReason) != FinishReasonPhrases.Meaning.NOTHING;
  }

  void throwIfError() throws AttemptException {
    if (error != null && InBandError.isIn(error)) {
      throw InBandError.of(error);
    }
  }

  /**
   * Returns the end according to the last object of a reply. Servers before 0.1.44 or so give no
   * reason.
   */
  StreamEnd streamEnd() throws AttemptException {
    if (doneReason.equals("load") || doneReason.equals("unload")) {
      throw AttemptException.of(
          FailureKind.UNEXPECTED_RESPONSE,
          "the server reports a model " + doneReason + ", no answer");
    }
    Usage usage = usage();
    FinishReason reason = reason();
    context.check(usage, reason);
    return new StreamEnd(model, usage, reason);
  }

  private Usage usage() {
    ReportedUsage usage = new ReportedUsage();
    usage.setIfPositive(inputTokens, outputTokens);
    usage.setNanos(promptNanos + answerNanos, loadNanos);
    return usage.usage();
  }

  private FinishReason reason() throws AttemptException {
    if (!hasReason()) {
      return outputTokens >= maxTokens ? FinishReason.LENGTH : FinishReason.STOP;
    }
    FinishReasonTracker reasons = new FinishReasonTracker();
    reasons.add(doneReason);
    return reasons.reason();
  }
}
