// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.micrometer;

import dev.offmeter.ChatResponse;
import dev.offmeter.internal.json.Json;
import java.util.Locale;

/** Writes an answer as the GenAI convention's JSON of output messages. */
final class OutputMessages {
  private OutputMessages() {}

  static String json(ChatResponse response) {
    StringBuilder json = new StringBuilder("[{\"role\":\"assistant\",\"parts\":[");
    json.append("{\"type\":\"text\",\"content\":");
    Json.appendQuoted(response.text(), json);
    json.append("}],\"finish_reason\":");
    Json.appendQuoted(response.finishReason().name().toLowerCase(Locale.ROOT), json);
    return json.append("}]").toString();
  }
}
