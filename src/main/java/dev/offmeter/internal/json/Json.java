// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.json;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.exc.StreamConstraintsException;
import com.fasterxml.jackson.core.io.JsonStringEncoder;
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

/** Reads and writes JSON. */
public final class Json {
  /** Far more tokens than any answer has, and few enough for a small heap. */
  public static final int MOST_TOKENS = 200_000;

  /**
   * The most digits of a number that is computed with, which takes time by the square of its
   * length.
   */
  public static final int LONGEST_NUMBER = StreamReadConstraints.DEFAULT_MAX_NUM_LEN;

  /** A longer number is not even skipped. */
  private static final int ENDLESS_NUMBER = 20_000;

  /**
   * Parses text of any size: whoever reads a reply bounds that, so Jackson's limit of 20 million
   * characters is lifted.
   */
  public static final JsonFactory FACTORY =
      JsonFactory.builder()
          .streamReadConstraints(
              StreamReadConstraints.builder()
                  .maxStringLength(Integer.MAX_VALUE)
                  .maxNumberLength(ENDLESS_NUMBER)
                  .build())
          // Python writes NaN and Infinity, and no answer depends on a number.
          .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
          .enable(JsonReadFeature.ALLOW_LEADING_ZEROS_FOR_NUMBERS)
          .enable(JsonReadFeature.ALLOW_LEADING_DECIMAL_POINT_FOR_NUMBERS)
          .build();

  /**
   * Parses what becomes a tree, with a bound on its values: many small ones take far more memory
   * than their text.
   */
  public static final JsonFactory TREES =
      JsonFactory.builder()
          .streamReadConstraints(
              StreamReadConstraints.builder()
                  .maxStringLength(Integer.MAX_VALUE)
                  .maxTokenCount(MOST_TOKENS)
                  .build())
          .build();

  /** Parses the parts of a reply that become trees, and tolerates loose JSON. */
  public static final JsonFactory REPLIES =
      JsonFactory.builder()
          .streamReadConstraints(
              TREES.streamReadConstraints().rebuild().maxNumberLength(ENDLESS_NUMBER).build())
          .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
          .enable(JsonReadFeature.ALLOW_LEADING_ZEROS_FOR_NUMBERS)
          .enable(JsonReadFeature.ALLOW_LEADING_DECIMAL_POINT_FOR_NUMBERS)
          .build();

  /**
   * Holds what is needed for trees: created when first used, so that a plain call does not load its
   * 300 classes.
   */
  private static final class Mapper {
    /** Keeps numbers as they are written: a tool's argument may have many digits. */
    static final ObjectMapper TREES =
        JsonMapper.builder(Json.TREES)
            .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
            .disable(JsonNodeFeature.STRIP_TRAILING_BIGDECIMAL_ZEROES)
            .build();

    static final ObjectReader STRICT =
        TREES.reader(DeserializationFeature.FAIL_ON_READING_DUP_TREE_KEY);
  }

  private Json() {}

  /** Returns a reader that accepts no duplicate property. */
  public static ObjectReader strict() {
    return Mapper.STRICT;
  }

  /** Returns the value that the parser is at, with numbers as they are written. */
  public static JsonNode treeAt(JsonParser parser) throws IOException {
    return Mapper.TREES.reader().readTree(parser);
  }

  /** Appends a text as a JSON string, in its quotation marks. */
  public static void appendQuoted(String text, StringBuilder out) {
    out.append('"');
    JsonStringEncoder.getInstance().quoteAsString(text, out);
    out.append('"');
  }

  /**
   * Returns whether the text is one JSON object and nothing else, so that it can stand in a
   * request.
   */
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

  /** Returns whether the text has a number that fits no type and would not be kept as written. */
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
   * Returns whether the text begins as an object with one of these fields; what comes after the
   * beginning of its value may be cut off.
   */
  public static boolean isObjectWith(String text, String... fields) {
    try (JsonParser parser = FACTORY.createParser(text)) {
      return skipToField(parser, fields);
    } catch (IOException e) {
      return false;
    }
  }

  /**
   * Reads an object as far as the name of the first of these fields; returns false if it has none.
   */
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

  /** Writes a text, a number, a boolean, or a list or map of such values. */
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
      // The generator itself writes plain values.
      out.writeObject(value);
    }
  }

  /** Returns the text as a tree; missing if it is not JSON. */
  public static JsonNode tree(String text) {
    try {
      JsonNode tree = Mapper.TREES.readTree(text);
      return tree == null ? MissingNode.getInstance() : tree;
    } catch (JsonProcessingException | NumberFormatException e) {
      return MissingNode.getInstance();
    }
  }
}
