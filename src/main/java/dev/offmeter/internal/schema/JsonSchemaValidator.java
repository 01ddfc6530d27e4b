// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.schema;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.json.Json;
import java.math.BigDecimal;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.jspecify.annotations.Nullable;

/**
 * Validates the text of a reply against a caller's own JSON schema. These keywords are checked:
 * {@code type}, {@code nullable}, {@code enum}, {@code const}, {@code properties}, {@code
 * required}, {@code additionalProperties} if it is false, {@code items}, {@code anyOf}, and {@code
 * oneOf} as if it were {@code anyOf}. All others are ignored: what they forbid is accepted.
 */
final class JsonSchemaValidator {
  private JsonSchemaValidator() {}

  /**
   * Checks the one JSON value in the text, bare or in one Markdown fence.
   *
   * @param schema a JSON object
   * @throws AttemptException of kind {@code FORMAT_MISMATCH}; it says where and which rule, and
   *     repeats nothing of the reply
   */
  static void check(String schema, String text) throws AttemptException {
    check(Json.tree(schema), JsonExtractor.of(text), "$");
  }

  private static void check(JsonNode schema, JsonNode node, String path) throws AttemptException {
    if (node.isNull() && schema.path("nullable").asBoolean()) {
      return;
    }
    checkValue(schema, node, path);
    if (node instanceof ObjectNode object) {
      checkProperties(schema, object, path);
    }
    JsonNode items = schema.path("items");
    if (node.isArray() && items.isObject() && !schema.has("prefixItems")) {
      for (int i = 0; i < node.size(); i++) {
        check(items, node.path(i), path + "[" + i + "]");
      }
    }
    checkAny(schema.path("anyOf"), node, path);
    checkAny(schema.path("oneOf"), node, path);
  }

  private static void checkValue(JsonNode schema, JsonNode node, String path)
      throws AttemptException {
    List<String> types = types(schema.path("type"));
    if (!types.isEmpty() && types.stream().noneMatch(type -> isOf(type, node))) {
      throw SchemaNode.mismatch(node, path, "must be of type " + String.join(" or ", types));
    }
    JsonNode allowed = schema.path("enum");
    if (allowed.isArray() && elements(allowed).noneMatch(each -> isSame(each, node))) {
      throw SchemaNode.mismatch(node, path, "must be one of the values of its enum");
    }
    if (schema.has("const") && !isSame(schema.path("const"), node)) {
      throw SchemaNode.mismatch(node, path, "must be its const");
    }
  }

  /**
   * Returns the types. Gemini writes them in capitals; a word that is no JSON type forbids nothing.
   */
  private static List<String> types(JsonNode type) {
    Stream<JsonNode> names = type.isArray() ? elements(type) : Stream.of(type);
    return names
        .map(name -> name.asText().toLowerCase(Locale.ROOT))
        .filter(KNOWN::contains)
        .toList();
  }

  private static final List<String> KNOWN =
      List.of("object", "array", "string", "number", "integer", "boolean", "null");

  private static boolean isOf(String type, JsonNode node) {
    return switch (type) {
      case "object" -> node.isObject();
      case "array" -> node.isArray();
      case "string" -> node.isTextual();
      case "number" -> node.isNumber();
      case "integer" -> isWhole(node);
      case "boolean" -> node.isBoolean();
      default -> node.isNull();
    };
  }

  private static boolean isWhole(JsonNode node) {
    return node.isIntegralNumber()
        || (node.isNumber() && node.decimalValue().stripTrailingZeros().scale() <= 0);
  }

  /** Compares two values; {@code 3} and {@code 3.0} are the same number. */
  private static boolean isSame(JsonNode one, JsonNode other) {
    if (!one.isNumber() || !other.isNumber()) {
      return one.equals(other);
    }
    BigDecimal number = one.decimalValue();
    return number.compareTo(other.decimalValue()) == 0;
  }

  private static void checkProperties(JsonNode schema, ObjectNode object, String path)
      throws AttemptException {
    for (JsonNode required : schema.path("required")) {
      if (!object.has(required.asText())) {
        throw SchemaNode.mismatch(object, path + "." + required.asText(), "is missing");
      }
    }
    JsonNode properties = schema.path("properties");
    for (Iterator<String> names = object.fieldNames(); names.hasNext(); ) {
      String name = names.next();
      @Nullable JsonNode own = properties.get(name);
      if (own != null) {
        check(own, object.path(name), path + "." + name);
      } else if (isClosed(schema)) {
        throw SchemaNode.mismatch(object, path, "has a property that was not asked for");
      }
    }
  }

  private static boolean isClosed(JsonNode schema) {
    JsonNode others = schema.path("additionalProperties");
    return others.isBoolean() && !others.booleanValue() && !schema.has("patternProperties");
  }

  private static void checkAny(JsonNode forms, JsonNode node, String path) throws AttemptException {
    @Nullable AttemptException misfit = null;
    for (JsonNode form : forms) {
      try {
        check(form, node, path);
        return;
      } catch (AttemptException e) {
        boolean isNull = form.path("type").asText().equals("null");
        misfit = misfit == null || !isNull ? e : misfit;
      }
    }
    if (misfit != null) {
      throw forms.size() > 2
          ? SchemaNode.mismatch(node, path, "matches none of its alternatives")
          : misfit;
    }
  }

  private static Stream<JsonNode> elements(JsonNode array) {
    return StreamSupport.stream(array.spliterator(), false);
  }
}
