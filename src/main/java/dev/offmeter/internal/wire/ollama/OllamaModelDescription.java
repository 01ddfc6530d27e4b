// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire.ollama;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import dev.offmeter.Capability;
import dev.offmeter.internal.json.Json;
import dev.offmeter.internal.wire.ModelTraits;
import dev.offmeter.internal.wire.TokenCount;
import java.io.IOException;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/**
 * Reads a reply of {@code /api/show}, as in Ollama's API documentation and sources. A request that
 * needs a capability that is not in its list is answered with HTTP 400, as observed on 0.24 and
 * 0.32. A schema is none of them: the engine holds any model to it. Older servers send no list.
 */
final class OllamaModelDescription {
  private static final Map<Capability, String> WORDS =
      Map.of(
          Capability.VISION, "vision",
          Capability.TOOLS, "tools",
          Capability.THINKING, "thinking");

  private int longestContext;
  private final Set<String> listed = new HashSet<>();

  private OllamaModelDescription() {}

  /**
   * Returns what the reply says.
   *
   * @param options of every request: with {@code num_ctx} the context is no longer than that, nor
   *     than the model was made for
   */
  static ModelTraits read(String reply, Map<String, Object> options) {
    OllamaModelDescription description = new OllamaModelDescription();
    try (JsonParser parser = Json.FACTORY.createParser(reply)) {
      parser.nextToken();
      while (parser.nextToken() == JsonToken.FIELD_NAME) {
        description.readField(parser);
      }
    } catch (IOException e) {
      // A reply that is cut says what came before.
    }
    return description.traits(options);
  }

  private void readField(JsonParser parser) throws IOException {
    String field = parser.currentName();
    JsonToken value = parser.nextToken();
    if (field.equals("model_info") && value == JsonToken.START_OBJECT) {
      readInfo(parser);
    } else if (field.equals("capabilities") && value == JsonToken.START_ARRAY) {
      while (parser.nextToken() != JsonToken.END_ARRAY) {
        listed.add(parser.getValueAsString(""));
        parser.skipChildren();
      }
    } else {
      parser.skipChildren();
    }
  }

  private void readInfo(JsonParser info) throws IOException {
    while (info.nextToken() == JsonToken.FIELD_NAME) {
      boolean length = info.currentName().endsWith(".context_length");
      JsonToken value = info.nextToken();
      if (length && value.isNumeric()) {
        longestContext = Math.max(longestContext, TokenCount.of(info, value));
      } else {
        info.skipChildren();
      }
    }
  }

  private ModelTraits traits(Map<String, Object> options) {
    int context = longestContext;
    if (options.get("num_ctx") instanceof Number asked && asked.longValue() > 0) {
      context = (int) Math.min(context, asked.longValue());
    }
    Set<Capability> has = EnumSet.noneOf(Capability.class);
    Set<Capability> lacks = EnumSet.noneOf(Capability.class);
    if (!listed.isEmpty()) {
      has.add(Capability.JSON_SCHEMA);
      WORDS.forEach((capability, word) -> (listed.contains(word) ? has : lacks).add(capability));
    }
    return new ModelTraits(has, lacks, context);
  }
}
