// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testkit;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;

/** Finds the texts of a request's messages, whichever API it is for. */
final class Conversation {
  private Conversation() {}

  static List<String> texts(JsonNode body) {
    List<String> texts = new ArrayList<>();
    add(texts, body.path("system"));
    add(texts, body.path("systemInstruction").path("parts"));
    body.path("messages").forEach(message -> add(texts, message.path("content")));
    body.path("contents").forEach(content -> add(texts, content.path("parts")));
    return List.copyOf(texts);
  }

  private static void add(List<String> texts, JsonNode content) {
    String text = text(content);
    if (!text.isEmpty()) {
      texts.add(text);
    }
  }

  /** Returns a text that stands alone or in parts, such as beside images. */
  private static String text(JsonNode content) {
    if (content.isTextual()) {
      return content.asText();
    }
    StringBuilder text = new StringBuilder();
    for (JsonNode part : content) {
      text.append(part.path("text").asText(""));
      text.append(text(part.path("content")));
    }
    return text.toString();
  }
}
