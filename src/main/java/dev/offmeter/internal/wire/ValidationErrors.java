// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.StringJoiner;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Reads validation errors as pydantic and FastAPI list them. Each also holds the input that it
 * rejects, and so the prompt: only the place, the message and the type are read.
 */
final class ValidationErrors {
  private static final int MOST = 3;
  private static final Pattern PLACE = Pattern.compile("[A-Za-z0-9_\\-\\[\\]]{1,40}");
  private static final Pattern TYPE = Pattern.compile("[a-z_.]{1,40}");

  /** Matches such a detail as Python prints it, which vLLM sends as a message. */
  private static final Pattern PRINTED =
      Pattern.compile(
          "\\[\\{'type': '([a-z_.]{1,40})', 'loc': \\(([^()]{0,120})\\), 'msg': (['\"])(.{0,160}?)\\3,");

  private ValidationErrors() {}

  /** Returns the errors in words, empty if the list has another form. */
  static String of(JsonNode list) {
    StringJoiner all = new StringJoiner("; ");
    for (int i = 0; i < Math.min(MOST, list.size()); i++) {
      JsonNode detail = list.get(i);
      String message = detail.path("msg").asText(detail.path("message").asText(""));
      if (!message.isEmpty()) {
        all.add(described(place(detail.path("loc")), message, detail.path("type").asText("")));
      }
    }
    return all.toString();
  }

  /** Returns the message, or the errors in it if it is such a list in print. */
  static String ofPrinted(String message) {
    Matcher printed = PRINTED.matcher(message);
    if (!message.startsWith("[{'") || !printed.lookingAt()) {
      return message;
    }
    StringJoiner place = new StringJoiner(".");
    for (String part : printed.group(2).split(",", 0)) {
      place.add(safe(part.replace("'", "").strip(), PLACE));
    }
    return described(place.toString(), printed.group(4), printed.group(1));
  }

  private static String place(JsonNode location) {
    StringJoiner place = new StringJoiner(".");
    for (JsonNode part : location) {
      place.add(safe(part.asText(), PLACE));
    }
    return place.toString();
  }

  private static String described(String place, String message, String type) {
    String where = place.isEmpty() ? "" : place + ": ";
    return where + message + (TYPE.matcher(type).matches() ? " (" + type + ")" : "");
  }

  private static String safe(String text, Pattern form) {
    return text.isEmpty() || form.matcher(text).matches() ? text : "...";
  }
}
