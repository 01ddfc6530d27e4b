// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.exc.StreamConstraintsException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.util.RawValue;
import dev.offmeter.internal.json.Json;
import java.io.IOException;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Reads the JSON of a reply as a tree, and tolerates what costs no answer: NaN, a number out of
 * range, a duplicate property, of which the last that is not empty counts.
 */
public final class LenientJsonTree {
  /** Keeps numbers as they are written: a tool's argument may have more digits than a double. */
  private static final JsonNodeFactory NODES = new JsonNodeFactory(true);

  private final HeapBudget heapBudget = new HeapBudget();
  private int left = Json.MOST_TOKENS;

  /** Restarts the count of values. */
  public void reset() {
    left = Json.MOST_TOKENS;
    heapBudget.release();
  }

  /** Reads the next value; null when there is none. Nested no deeper than the parser permits. */
  static @Nullable JsonNode next(JsonParser parser) throws IOException {
    JsonToken token = parser.nextToken();
    return token == null ? null : value(parser, token);
  }

  /** The value that begins with the token that the parser is at. */
  public static JsonNode value(JsonParser parser, JsonToken token) throws IOException {
    LenientJsonTree tree = new LenientJsonTree();
    try {
      return tree.read(parser, token);
    } finally {
      tree.reset();
    }
  }

  /**
   * The value that begins with the token that the parser is at.
   *
   * @throws StreamConstraintsException if there are too many values since the count began: as a
   *     tree, many small ones are far larger than their text
   */
  public JsonNode read(JsonParser parser, JsonToken token) throws IOException {
    if (--left < 0) {
      throw new StreamConstraintsException("too many values");
    }
    heapBudget.growByValue();
    return switch (token) {
      case START_OBJECT -> object(parser);
      case START_ARRAY -> array(parser);
      case VALUE_STRING -> NODES.textNode(parser.getText());
      case VALUE_TRUE -> NODES.booleanNode(true);
      case VALUE_FALSE -> NODES.booleanNode(false);
      case VALUE_NUMBER_INT -> isTooLong(parser) ? asWritten(parser) : integer(parser);
      case VALUE_NUMBER_FLOAT -> isTooLong(parser) ? asWritten(parser) : decimal(parser);
      default -> NODES.nullNode();
    };
  }

  private ObjectNode object(JsonParser parser) throws IOException {
    ObjectNode object = NODES.objectNode();
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      String name = parser.currentName();
      JsonNode value = read(parser, parser.nextToken());
      JsonNode before = object.replace(name, value);
      if (before != null) {
        object.set(name, mergeDuplicate(before, value));
      }
    }
    return object;
  }

  /** Merges a duplicate property into the one before, and each field of objects likewise. */
  private static JsonNode mergeDuplicate(JsonNode before, JsonNode after) {
    if (isEmptyValue(after)) {
      return before;
    }
    if (before instanceof ObjectNode first && after instanceof ObjectNode second) {
      for (Map.Entry<String, JsonNode> field : second.properties()) {
        JsonNode known = first.path(field.getKey());
        first.set(field.getKey(), mergeDuplicate(known, field.getValue()));
      }
      return first;
    }
    return after;
  }

  private ArrayNode array(JsonParser parser) throws IOException {
    ArrayNode array = NODES.arrayNode();
    for (JsonToken token = parser.nextToken();
        token != JsonToken.END_ARRAY;
        token = parser.nextToken()) {
      array.add(read(parser, token));
    }
    return array;
  }

  /** Returns whether the value is null, or an empty text, list or object. */
  public static boolean isEmptyValue(JsonNode value) {
    return value.isNull()
        || (value.isTextual() && value.textValue().isEmpty())
        || (value.isContainerNode() && value.isEmpty());
  }

  private static JsonNode integer(JsonParser parser) throws IOException {
    return switch (parser.getNumberType()) {
      case INT -> NODES.numberNode(parser.getIntValue());
      case LONG -> NODES.numberNode(parser.getLongValue());
      default -> NODES.numberNode(parser.getBigIntegerValue());
    };
  }

  private static JsonNode decimal(JsonParser parser) throws IOException {
    if (parser.isNaN()) {
      return NODES.numberNode(parser.getDoubleValue());
    }
    try {
      return NODES.numberNode(parser.getDecimalValue());
    } catch (NumberFormatException e) {
      return asWritten(parser);
    }
  }

  private static boolean isTooLong(JsonParser parser) throws IOException {
    return parser.getTextLength() > Json.LONGEST_NUMBER;
  }

  /**
   * Reads a number as it is written. Never null: in place of a text, null would be skipped as
   * missing.
   */
  private static JsonNode asWritten(JsonParser parser) throws IOException {
    return NODES.rawValueNode(new RawValue(parser.getText()));
  }
}
