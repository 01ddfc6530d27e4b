// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import com.fasterxml.jackson.databind.JsonNode;
import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import java.util.Locale;

/**
 * Holds content that comes as a list of typed parts where others send one text, as from Mistral.
 * Parts without text, such as references, are ignored; text in a part of unknown type may or may
 * not belong to the answer, so it is a failure.
 *
 * @param text the parts of the answer, joined
 * @param thinking the parts of thinking, joined
 */
public record ContentParts(String text, String thinking) {
  static final ContentParts NONE = new ContentParts("", "");

  /** Reads a field that may be missing, a text, a part, or a list of parts. */
  public static ContentParts of(JsonNode value) throws AttemptException {
    if (value.isTextual()) {
      return new ContentParts(value.textValue(), "");
    }
    if (value.isNull() || value.isMissingNode()) {
      return NONE;
    }
    StringBuilder text = new StringBuilder();
    StringBuilder thinking = new StringBuilder();
    if (value.isArray()) {
      for (JsonNode part : value) {
        add(part, text, thinking);
      }
    } else {
      add(value, text, thinking);
    }
    return new ContentParts(text.toString(), thinking.toString());
  }

  private static void add(JsonNode part, StringBuilder text, StringBuilder thinking)
      throws AttemptException {
    if (part.isTextual()) {
      text.append(part.textValue());
      return;
    }
    if (LenientJsonTree.isEmptyValue(part)) {
      return;
    }
    if (!part.isObject()) {
      throw noText();
    }
    String type = part.path("type").asText("").toLowerCase(Locale.ROOT);
    if (isThinking(type)) {
      thinking.append(thought(part));
    } else if (type.contains("text") || type.isEmpty()) {
      text.append(text(part, type));
    } else if (type.equals("refusal")) {
      throw AttemptException.of(FailureKind.CONTENT_FILTERED, "the model refuses to answer");
    } else if (!part.path("text").asText("").isBlank()) {
      throw noText();
    }
  }

  private static boolean isThinking(String type) {
    return type.contains("think")
        || type.contains("reason")
        || type.contains("thought")
        || type.contains("summary");
  }

  private static String text(JsonNode part, String type) throws AttemptException {
    JsonNode text = part.path("text");
    JsonNode value = text.isObject() ? text.path("value") : text;
    boolean none = value.isNull() || (value.isMissingNode() && !type.isEmpty());
    if (!value.isTextual() && !none) {
      throw noText();
    }
    return none ? "" : value.textValue();
  }

  private static String thought(JsonNode part) {
    for (String name : new String[] {"thinking", "text", "reasoning", "summary"}) {
      String said = informal(part.path(name));
      if (!said.isEmpty()) {
        return said;
      }
    }
    return "";
  }

  /** Reads thinking as a text or as parts; any other value is ignored, since it costs no answer. */
  public static String informal(JsonNode value) {
    if (value.isTextual()) {
      return value.textValue();
    }
    if (!value.isArray()) {
      return "";
    }
    StringBuilder joined = new StringBuilder();
    for (JsonNode part : value) {
      joined.append(part.isTextual() ? part.textValue() : part.path("text").asText(""));
    }
    return joined.toString();
  }

  private static AttemptException noText() {
    return AttemptException.of(FailureKind.UNEXPECTED_RESPONSE, "a text field that is not a text");
  }
}
