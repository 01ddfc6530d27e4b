// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.json;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.exc.StreamConstraintsException;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.cfg.JsonNodeFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** The one JSON reader and writer. */
public final class Json {
  /** Far more than any answer has, and little enough for a small heap. */
  public static final int MOST_TOKENS = 200_000;

  /** The most digits of a number that is computed with: that takes the square of the time. */
  public static final int LONGEST_NUMBER = StreamReadConstraints.DEFAULT_MAX_NUM_LEN;

  /** A longer one is not even passed over. */
  private static final int ENDLESS_NUMBER = 20_000;

  /** Whoever reads a reply bounds its size, so Jackson's own 20 million characters may go. */
  public static final JsonFactory FACTORY =
      JsonFactory.builder()
          .streamReadConstraints(
              StreamReadConstraints.builder()
                  .maxStringLength(Integer.MAX_VALUE)
                  .maxNumberLength(ENDLESS_NUMBER)
                  .build())
          // Python writes it, and no answer stands in a number.
          .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
          .enable(JsonReadFeature.ALLOW_LEADING_ZEROS_FOR_NUMBERS)
          .enable(JsonReadFeature.ALLOW_LEADING_DECIMAL_POINT_FOR_NUMBERS)
          .build();

  /** For what becomes a tree: one of many small values is far larger than its text. */
  public static final JsonFactory TREES =
      JsonFactory.builder()
          .streamReadConstraints(
              StreamReadConstraints.builder()
                  .maxStringLength(Integer.MAX_VALUE)
                  .maxTokenCount(MOST_TOKENS)
                  .build())
          .build();

  /** For the parts of a reply that become trees and may be written loosely. */
  public static final JsonFactory REPLIES =
      JsonFactory.builder()
          .streamReadConstraints(
              TREES.streamReadConstraints().rebuild().maxNumberLength(ENDLESS_NUMBER).build())
          .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
          .enable(JsonReadFeature.ALLOW_LEADING_ZEROS_FOR_NUMBERS)
          .enable(JsonReadFeature.ALLOW_LEADING_DECIMAL_POINT_FOR_NUMBERS)
          .build();

  /** Made when a text is first read as a tree: a plain call does without these 300 classes. */
  private static final class Mapper {
    /** Numbers are kept as they are written: a tool's argument may have many digits. */
    static final ObjectMapper TREES =
        JsonMapper.builder(Json.TREES)
            .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
            .disable(JsonNodeFeature.STRIP_TRAILING_BIGDECIMAL_ZEROES)
            .build();

    static final ObjectReader STRICT =
        TREES.reader(DeserializationFeature.FAIL_ON_READING_DUP_TREE_KEY);
  }

  private Json() {}

  /** Reads what must have a shape: no property twice. */
  public static ObjectReader strict() {
    return Mapper.STRICT;
  }

  /** Whether the text is one JSON object and nothing else, so that it can stand in a request. */
  public static boolean isObject(String text) {
    try {
      return Mapper.TREES
          .reader(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .readTree(text)
          .isObject();
    } catch (JsonProcessingException | NumberFormatException e) {
      return false;
    }
  }

  /** Whether it has a number that no type holds, nor keeps as it is written. */
  public static boolean hasNumberBeyondRange(String text) {
    try {
      JsonNode unused = Mapper.TREES.readTree(text);
      return false;
    } catch (NumberFormatException e) {
      return true;
    } catch (StreamConstraintsException e) {
      return e.getOriginalMessage().startsWith("Number");
    } catch (JsonProcessingException e) {
      return false;
    }
  }

  /**
   * Whether the text begins as an object with one of these fields; what comes after the beginning
   * of its value may be cut off.
   */
  public static boolean isObjectWith(String text, String... fields) {
    try (JsonParser parser = FACTORY.createParser(text)) {
      return skipToField(parser, fields);
    } catch (IOException e) {
      return false;
    }
  }

  /** Reads an object as far as the name of the first of these fields; false if it has none. */
  public static boolean skipToField(JsonParser parser, String... fields) throws IOException {
    Set<String> wanted = Set.of(fields);
    if (parser.nextToken() != JsonToken.START_OBJECT) {
      return false;
    }
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      if (wanted.contains(parser.currentName())) {
        return true;
      }
      parser.nextToken();
      parser.skipChildren();
    }
    return false;
  }

  /** Writes what JSON can say: a text, a number, a truth value, a list or a map of them. */
  public static void write(Object value, JsonGenerator out) throws IOException {
    if (value instanceof Map<?, ?> map) {
      out.writeStartObject();
      for (Map.Entry<?, ?> entry : map.entrySet()) {
        out.writeFieldName((String) entry.getKey());
        write(entry.getValue(), out);
      }
      out.writeEndObject();
    } else if (value instanceof List<?> list) {
      out.writeStartArray();
      for (Object item : list) {
        write(item, out);
      }
      out.writeEndArray();
    } else {
      // Jackson's own writer of plain values.
      out.writeObject(value);
    }
  }

  /** The text as a tree; missing when it is no JSON. */
  public static JsonNode tree(String text) {
    try {
      JsonNode tree = Mapper.TREES.readTree(text);
      return tree == null ? MissingNode.getInstance() : tree;
    } catch (JsonProcessingException | NumberFormatException e) {
      return MissingNode.getInstance();
    }
  }
}
