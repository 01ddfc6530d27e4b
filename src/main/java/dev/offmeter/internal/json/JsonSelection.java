// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.json;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Reads a few objects out of a large JSON file, and keeps nothing of the rest. Used by one thread.
 */
public final class JsonSelection {
  private final Set<List<String>> wanted;
  private final Set<List<String>> above = new HashSet<>();
  private final Map<List<String>, Map<String, Object>> found = new HashMap<>();

  private JsonSelection(Set<List<String>> wanted) {
    this.wanted = wanted;
    for (List<String> path : wanted) {
      for (int length = 1; length < path.size(); length++) {
        above.add(path.subList(0, length));
      }
    }
  }

  /**
   * Reads the file to its end.
   *
   * @param wanted the fields that lead to each object, from the outermost one on
   * @return the fields of those objects that are there, a number as a {@link java.math.BigDecimal}
   *     as it is written, null left out, any other value as its JSON text
   * @throws IllegalArgumentException if the file cannot be read, is not a JSON object to its end,
   *     or has one of the objects twice; the message begins with the rule
   */
  public static Map<List<String>, Map<String, Object>> read(Path file, Set<List<String>> wanted) {
    JsonSelection selection = new JsonSelection(wanted);
    try (InputStream in = Files.newInputStream(file);
        JsonParser parser = Json.FACTORY.createParser(in)) {
      if (parser.nextToken() != JsonToken.START_OBJECT) {
        throw new IllegalArgumentException("must be a JSON object");
      }
      selection.read(parser, List.of());
      if (parser.nextToken() != null) {
        throw new IllegalArgumentException("must be one JSON object, has more after it");
      }
      return selection.found;
    } catch (JsonProcessingException e) {
      throw new IllegalArgumentException("must be JSON to its end: " + e.getOriginalMessage(), e);
    } catch (IOException e) {
      throw new IllegalArgumentException("must be a file that can be read: " + e.getMessage(), e);
    }
  }

  /** Reads the object that the parser has entered. */
  private void read(JsonParser parser, List<String> path) throws IOException {
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      List<String> own = new ArrayList<>(path);
      own.add(parser.currentName());
      JsonToken value = parser.nextToken();
      if (value == JsonToken.START_OBJECT && above.contains(own)) {
        read(parser, own);
      } else if (value == JsonToken.START_OBJECT && wanted.contains(own)) {
        if (found.put(own, fields(Json.treeAt(parser))) != null) {
          throw new IllegalArgumentException("must have " + own + " once, has it twice");
        }
      } else {
        parser.skipChildren();
      }
    }
  }

  private static Map<String, Object> fields(JsonNode object) {
    Map<String, Object> fields = new LinkedHashMap<>();
    object
        .fieldNames()
        .forEachRemaining(
            name -> {
              JsonNode value = object.path(name);
              if (!value.isNull()) {
                fields.put(name, value.isNumber() ? value.decimalValue() : value.toString());
              }
            });
    return fields;
  }
}
