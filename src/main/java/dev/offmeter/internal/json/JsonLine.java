// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.json;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Writes and reads one JSON object of plain values in one line. */
public final class JsonLine {
  private JsonLine() {}

  /**
   * Returns the object without a line break.
   *
   * @param fields texts, numbers, booleans, null, or maps of these; a decimal is written with all
   *     of its digits and without an exponent
   */
  public static String write(Map<String, ? extends @Nullable Object> fields) {
    StringWriter text = new StringWriter();
    try (JsonGenerator out = Json.FACTORY.createGenerator(text)) {
      out.enable(JsonGenerator.Feature.WRITE_BIGDECIMAL_AS_PLAIN);
      Json.write(fields, out);
    } catch (IOException e) {
      throw new UncheckedIOException("a string is written without I/O", e);
    }
    return text.toString();
  }

  /**
   * Returns the fields of an object, null left out, each as a text, a {@link java.math.BigDecimal},
   * a boolean or a map of these.
   *
   * @throws IllegalArgumentException if the text is no JSON object, or holds a list
   */
  public static Map<String, Object> read(String text) {
    JsonNode tree = Json.tree(text);
    if (!tree.isObject()) {
      throw new IllegalArgumentException("must be a JSON object");
    }
    return fields(tree);
  }

  private static Map<String, Object> fields(JsonNode object) {
    Map<String, Object> fields = new LinkedHashMap<>();
    for (Map.Entry<String, JsonNode> field : object.properties()) {
      if (!field.getValue().isNull()) {
        fields.put(field.getKey(), value(field.getKey(), field.getValue()));
      }
    }
    return fields;
  }

  private static Object value(String name, JsonNode value) {
    if (value.isTextual()) {
      return value.textValue();
    }
    if (value.isNumber()) {
      return value.decimalValue();
    }
    if (value.isBoolean()) {
      return value.booleanValue();
    }
    if (value.isObject()) {
      return fields(value);
    }
    throw new IllegalArgumentException(name + " must not be a list");
  }
}
