// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import java.util.ArrayList;
import java.util.List;

/** Reads fields of a reply that may be missing or null. */
public final class JsonFields {
  private JsonFields() {}

  /** Reads a text. A value of another type is a failure, since text would be lost. */
  public static String text(JsonNode node, String field) throws AttemptException {
    JsonNode value = node.path(field);
    if (value.isMissingNode() || value.isNull()) {
      return "";
    }
    if (!value.isTextual()) {
      throw AttemptException.of(FailureKind.UNEXPECTED_RESPONSE, "a text field that is not a text");
    }
    return value.textValue();
  }

  /** Reads a text that no answer depends on: a value of another type is ignored. */
  public static String informal(JsonNode node, String field) {
    JsonNode value = node.path(field);
    return value.isTextual() ? value.textValue() : "";
  }

  /**
   * Reads an object, missing if there is none. A value of another type is a failure, since text
   * would be lost.
   */
  public static JsonNode object(JsonNode node, String field) throws AttemptException {
    JsonNode value = node.path(field);
    if (value.isNull()) {
      return MissingNode.getInstance();
    }
    if (!value.isObject() && !value.isMissingNode()) {
      throw AttemptException.of(
          FailureKind.UNEXPECTED_RESPONSE, "an object field that is not an object");
    }
    return value;
  }

  /**
   * Reads a list of objects, empty if there is none. Other elements are a failure, except null,
   * which carries nothing.
   */
  public static List<JsonNode> objects(JsonNode node, String field) throws AttemptException {
    JsonNode value = node.path(field);
    List<JsonNode> objects = new ArrayList<>(value.size());
    for (JsonNode element : value) {
      if (!element.isNull()) {
        objects.add(element);
      }
    }
    boolean list = value.isArray() || value.isNull() || value.isMissingNode();
    if (!list || !objects.stream().allMatch(JsonNode::isObject)) {
      throw AttemptException.of(
          FailureKind.UNEXPECTED_RESPONSE, "a list field that is not a list of objects");
    }
    return objects;
  }

  /**
   * Returns the index of the choice, of several; an index that is not a number counts as that of
   * {@code read}.
   */
  public static int index(JsonNode node, int read) {
    JsonNode value = node.path("index");
    return value.isMissingNode() || value.canConvertToInt() ? value.asInt() : Math.max(0, read);
  }

  /**
   * Returns the position of a part of the answer, or {@code otherwise} if there is no number or too
   * large a one.
   */
  public static int position(JsonNode node, int otherwise) {
    JsonNode value = node.path("index");
    return value.isNumber() && !value.canConvertToInt() ? otherwise : value.asInt(otherwise);
  }

  /** Reads a count, 0 if there is none; see {@link TokenCount#of(JsonNode)}. */
  public static int count(JsonNode node, String field) {
    return TokenCount.of(node.path(field));
  }
}
