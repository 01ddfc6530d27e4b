// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.micrometer;

import dev.offmeter.ChatResponse;
import java.util.Locale;

/** Writes an answer as the GenAI convention's JSON of output messages. */
final class OutputMessages {
  private OutputMessages() {}

  static String json(ChatResponse response) {
    StringBuilder json = new StringBuilder("[{\"role\":\"assistant\",\"parts\":[");
    appendText(json.append("{\"type\":\"text\",\"content\":"), response.text());
    json.append("}],\"finish_reason\":");
    appendText(json, response.finishReason().name().toLowerCase(Locale.ROOT));
    return json.append("}]").toString();
  }

  private static void appendText(StringBuilder json, String text) {
    json.append('"');
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c == '"' || c == '\\') {
        json.append('\\').append(c);
      } else if (c < ' ') {
        json.append(String.format(Locale.ROOT, "\\u%04x", (int) c));
      } else {
        json.append(c);
      }
    }
    json.append('"');
  }
}
