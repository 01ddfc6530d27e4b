// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.offmeter.ChatResponse.ToolCall;
import dev.offmeter.FailureKind;
import dev.offmeter.FinishReason;
import dev.offmeter.Usage;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** One object of Ollama's reply. The same instance is filled again for each. */
final class OllamaLine {
  private final boolean tools;
  private String model = "";
  private String content = "";
  private String thinking = "";
  private final List<ToolCall> toolCalls = new ArrayList<>(0);
  private @Nullable ObjectNode error;
  private boolean reply;
  private boolean done;
  private String doneReason = "";
  private int inputTokens;
  private int outputTokens;

  /**
   * A line.
   *
   * @param tools whether tools were offered; calls of others mean nothing and are skipped
   */
  OllamaLine(boolean tools) {
    this.tools = tools;
  }

  /** Fills this from the object that {@code parser} has just entered. */
  void read(JsonParser parser) throws IOException, Failure {
    content = "";
    thinking = "";
    toolCalls.clear();
    doneReason = "";
    boolean hadMessage = false;
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      String name = parser.currentName();
      JsonToken value = parser.nextToken();
      switch (name) {
        case "message" -> {
          reply = true;
          hadMessage = once(hadMessage);
          readMessage(parser, value);
        }
        case "model" -> model = text(parser, value);
        case "done" -> {
          reply = true;
          done = value == JsonToken.VALUE_TRUE;
          parser.skipChildren();
        }
        case "done_reason" -> doneReason = text(parser, value);
        case "prompt_eval_count" -> inputTokens = count(parser, value);
        case "eval_count" -> outputTokens = count(parser, value);
        case "error", "error_type", "code", "detail", "errors", "title", "status", "object" ->
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
  }

  /** Kept as it is: what it means is weighed as a whole. */
  private void readError(String name, JsonToken value, JsonParser parser) throws IOException {
    if (value == JsonToken.VALUE_NULL) {
      return;
    }
    ObjectNode told = error == null ? JsonNodeFactory.instance.objectNode() : error;
    told.set(name, parser.readValueAsTree());
    error = told;
  }

  private void readMessage(JsonParser parser, JsonToken message) throws IOException, Failure {
    if (message == JsonToken.VALUE_NULL) {
      return;
    }
    if (message != JsonToken.START_OBJECT) {
      throw Failure.of(FailureKind.NOT_AN_ANSWER, "a message that is no object");
    }
    boolean hadContent = false;
    boolean hadThinking = false;
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      String name = parser.currentName();
      JsonToken value = parser.nextToken();
      switch (name) {
        case "content" -> {
          hadContent = once(hadContent);
          content = text(parser, value);
        }
        case "tool_calls" -> {
          if (tools) {
            readToolCalls(parser, value);
          } else {
            parser.skipChildren();
          }
        }
        case "thinking" -> {
          hadThinking = once(hadThinking);
          thinking = text(parser, value);
        }
        default -> parser.skipChildren();
      }
    }
  }

  private void readToolCalls(JsonParser parser, JsonToken value) throws IOException, Failure {
    JsonNode calls = parser.readValueAsTree();
    if (value == JsonToken.VALUE_NULL) {
      return;
    }
    if (value != JsonToken.START_ARRAY) {
      throw Failure.of(FailureKind.NOT_AN_ANSWER, "tool calls that are no list");
    }
    for (JsonNode call : calls) {
      JsonNode function = call.path("function");
      JsonNode arguments = function.path("arguments");
      if (!function.path("name").isTextual() || !arguments.isObject()) {
        throw Failure.of(FailureKind.NOT_AN_ANSWER, "a tool call without a name or arguments");
      }
      toolCalls.add(
          new ToolCall(
              call.path("id").asText(""), function.path("name").asText(), arguments.toString()));
    }
  }

  /** The text of the first would be lost in silence. */
  private static boolean once(boolean seenBefore) throws Failure {
    if (seenBefore) {
      throw Failure.of(FailureKind.NOT_AN_ANSWER, "a field that comes twice");
    }
    return true;
  }

  /** A value of another type would be text lost, so it is a failure. */
  private static String text(JsonParser parser, JsonToken value) throws IOException, Failure {
    if (value == JsonToken.VALUE_NULL) {
      return "";
    }
    if (value != JsonToken.VALUE_STRING) {
      throw Failure.of(FailureKind.NOT_AN_ANSWER, "a text field that is no text");
    }
    return parser.getText();
  }

  private static int count(JsonParser parser, JsonToken value) throws IOException {
    if (value.isNumeric()) {
      // The cast bounds it above.
      return (int) Math.max(0, parser.getDoubleValue());
    }
    parser.skipChildren();
    return 0;
  }

  String content() {
    return content;
  }

  String thinking() {
    return thinking;
  }

  List<ToolCall> toolCalls() {
    return toolCalls;
  }

  /** Whether any object so far looked like part of a reply. */
  boolean isReply() {
    return reply;
  }

  boolean done() {
    return done;
  }

  void throwIfError() throws Failure {
    if (error != null && InBandError.isIn(error)) {
      throw InBandError.of(error);
    }
  }

  /** What the last object of a reply says; only {@code stop} and {@code length} end an answer. */
  Ending ending() throws Failure {
    Usage usage = new Usage(inputTokens, outputTokens);
    return switch (doneReason) {
      case "stop" -> new Ending(model, usage, FinishReason.STOP);
      case "length" -> new Ending(model, usage, FinishReason.LENGTH);
      case "load", "unload" ->
          throw Failure.of(
              FailureKind.NOT_AN_ANSWER,
              "the server reports a model " + doneReason + ", no answer");
      default -> throw Failure.of(FailureKind.INCOMPLETE, "done, but for no known reason");
    };
  }
}
