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
import dev.offmeter.internal.wire.StreamEnd;
import dev.offmeter.internal.wire.TokenCount;
import dev.offmeter.internal.wire.ToolCallAssembler;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/**
 * One object of Ollama's reply. The same instance is filled again for each. Of a field that comes
 * twice in one the last counts that says anything.
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

  /**
   * A line.
   *
   * @param tools whether tools were offered; calls of others mean nothing and are skipped
   * @param maxTokens the request's limit
   * @param context what there is room for
   */
  OllamaChunk(boolean tools, int maxTokens, OllamaContextWindow context) {
    this.tools = tools;
    this.maxTokens = maxTokens;
    this.context = context;
  }

  /** How many characters are kept beyond the line. */
  long kept() {
    return model.length() + calls.keptCharacters();
  }

  /** Fills this from the object that {@code parser} has just entered. */
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
    // Beside a code, a status or a type it tells how the server is, not what the model says.
    boolean status = !ends && error != null && error.size() > 1;
    if (text && (ends || error == null || !(status || InBandError.isIn(error)))) {
      throw AttemptException.of(FailureKind.UNEXPECTED_RESPONSE, "a message that is no object");
    }
  }

  /** Kept as it is: what it means is weighed as a whole. */
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
      throw AttemptException.of(FailureKind.UNEXPECTED_RESPONSE, "a message that is no object");
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
      throw AttemptException.of(FailureKind.UNEXPECTED_RESPONSE, "tool calls that are no list");
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

  /** A value of another type is as good as none: no text stands there. */
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

  /** How many calls of tools were in it. */
  int parts() {
    return parts;
  }

  /** Whether there has been a call although no tools were offered. */
  boolean hasCallNotOffered() {
    return notOffered;
  }

  /** All calls of tools so far. */
  ToolCallAssembler calls() {
    return calls;
  }

  /** Whether any object has begun: then what ends early is an answer that was cut. */
  boolean isBegun() {
    return begun;
  }

  /** Whether any object so far looked like part of a reply. */
  boolean isReply() {
    return reply;
  }

  boolean done() {
    return done;
  }

  /** Whether it says why the answer ended, though not that it did. */
  boolean hasReason() {
    return FinishReasonPhrases.of(doneReason) != FinishReasonPhrases.Meaning.NOTHING;
  }

  void throwIfError() throws AttemptException {
    if (error != null && InBandError.isIn(error)) {
      throw InBandError.of(error);
    }
  }

  /** What the last object of a reply says. Servers before 0.1.44 or so give no reason. */
  StreamEnd streamEnd() throws AttemptException {
    if (doneReason.equals("load") || doneReason.equals("unload")) {
      throw AttemptException.of(
          FailureKind.UNEXPECTED_RESPONSE,
          "the server reports a model " + doneReason + ", no answer");
    }
    Usage usage = new Usage(inputTokens, outputTokens);
    FinishReason reason = reason();
    context.check(usage, reason);
    return new StreamEnd(model, usage, reason);
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
