// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import java.util.ArrayList;
import java.util.List;

/** Fields of a reply that may be missing or null. */
public final class JsonFields {
  private JsonFields() {}

  /** A value of another type would be text lost, so it is a failure. */
  public static String text(JsonNode node, String field) throws AttemptException {
    JsonNode value = node.path(field);
    if (value.isMissingNode() || value.isNull()) {
      return "";
    }
    if (!value.isTextual()) {
      throw AttemptException.of(FailureKind.UNEXPECTED_RESPONSE, "a text field that is no text");
    }
    return value.textValue();
  }

  /** A text that costs no answer by itself: a value of another type is none. */
  public static String informal(JsonNode node, String field) {
    JsonNode value = node.path(field);
    return value.isTextual() ? value.textValue() : "";
  }

  /** An object, missing where there is none; anything else in its place would be text lost. */
  public static JsonNode object(JsonNode node, String field) throws AttemptException {
    JsonNode value = node.path(field);
    if (value.isNull()) {
      return MissingNode.getInstance();
    }
    if (!value.isObject() && !value.isMissingNode()) {
      throw AttemptException.of(
          FailureKind.UNEXPECTED_RESPONSE, "an object field that is no object");
    }
    return value;
  }

  /** A list of objects, empty where there is none; likewise. A null in it carries nothing. */
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
          FailureKind.UNEXPECTED_RESPONSE, "a list field that is no list of objects");
    }
    return objects;
  }

  /** Which of several answers it belongs to; what is no number belongs to the one that is read. */
  public static int index(JsonNode node, int read) {
    JsonNode value = node.path("index");
    return value.isMissingNode() || value.canConvertToInt() ? value.asInt() : Math.max(0, read);
  }

  /** Which part of an answer it belongs to; a number that is too large for that tells nothing. */
  public static int position(JsonNode node, int otherwise) {
    JsonNode value = node.path("index");
    return value.isNumber() && !value.canConvertToInt() ? otherwise : value.asInt(otherwise);
  }

  /** A count, 0 where there is none; see {@link TokenCount#of(JsonNode)}. */
  public static int count(JsonNode node, String field) {
    return TokenCount.of(node.path(field));
  }
}
