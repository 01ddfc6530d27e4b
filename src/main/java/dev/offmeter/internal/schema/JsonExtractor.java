// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.schema;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.exc.StreamConstraintsException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.exc.MismatchedInputException;
import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.json.Json;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/** Extracts JSON from the text of an answer, bare or in one Markdown fence. */
final class JsonExtractor {
  private static final String FENCE = "```";
  private static final String LANGUAGE = "json";

  private JsonExtractor() {}

  /**
   * Returns the only JSON value in the text. The message of a parser quotes the text, so it is left
   * out.
   */
  static JsonNode of(String text) throws AttemptException {
    try (JsonParser parser = Json.TREES.createParser(unfenced(text))) {
      JsonNode tree = parse(parser);
      if (!isAtEnd(parser)) {
        throw mismatch("has text after its JSON");
      }
      return tree;
    } catch (IOException e) {
      throw new IllegalStateException("a text in memory does not fail", e);
    }
  }

  private static JsonNode parse(JsonParser parser) throws IOException, AttemptException {
    try {
      @Nullable JsonNode tree = Json.strict().readTree(parser);
      if (tree == null || tree.isMissingNode()) {
        throw mismatch("has no JSON");
      }
      return tree;
    } catch (StreamConstraintsException e) {
      throw mismatch("is nested too deeply, or has a number or a name that is too long");
    } catch (MismatchedInputException e) {
      throw mismatch("has a property twice");
    } catch (NumberFormatException e) {
      throw mismatch("has a number out of range");
    } catch (JacksonException e) {
      throw mismatch("is not JSON");
    }
  }

  private static boolean isAtEnd(JsonParser parser) throws IOException {
    try {
      return parser.nextToken() == null;
    } catch (JacksonException e) {
      return false;
    }
  }

  private static AttemptException mismatch(String rule) {
    return AttemptException.of(FailureKind.FORMAT_MISMATCH, "the answer " + rule);
  }

  private static String unfenced(String text) {
    String bare = text.strip();
    boolean fenced = bare.length() >= 2 * FENCE.length() && bare.startsWith(FENCE);
    if (!fenced || !bare.endsWith(FENCE)) {
      return bare;
    }
    String inside = bare.substring(FENCE.length(), bare.length() - FENCE.length());
    boolean named = inside.regionMatches(true, 0, LANGUAGE, 0, LANGUAGE.length());
    return (named ? inside.substring(LANGUAGE.length()) : inside).strip();
  }
}
