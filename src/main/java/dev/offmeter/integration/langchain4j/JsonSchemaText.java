// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.integration.langchain4j;

import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.model.chat.request.json.JsonAnyOfSchema;
import dev.langchain4j.model.chat.request.json.JsonArraySchema;
import dev.langchain4j.model.chat.request.json.JsonBooleanSchema;
import dev.langchain4j.model.chat.request.json.JsonEnumSchema;
import dev.langchain4j.model.chat.request.json.JsonIntegerSchema;
import dev.langchain4j.model.chat.request.json.JsonNullSchema;
import dev.langchain4j.model.chat.request.json.JsonNumberSchema;
import dev.langchain4j.model.chat.request.json.JsonObjectSchema;
import dev.langchain4j.model.chat.request.json.JsonRawSchema;
import dev.langchain4j.model.chat.request.json.JsonReferenceSchema;
import dev.langchain4j.model.chat.request.json.JsonSchemaElement;
import dev.langchain4j.model.chat.request.json.JsonStringSchema;
import dev.offmeter.internal.json.Json;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Writes LangChain4j's schema elements as JSON. LangChain4j does so too, but in a class that is not
 * part of its API.
 */
final class JsonSchemaText {
  private static final String NULL = "{\"type\":\"null\"}";

  private final StringBuilder out = new StringBuilder(256);
  private final boolean strict;

  private JsonSchemaText(boolean strict) {
    this.strict = strict;
  }

  /** Returns the schema of a tool's parameters. */
  static String asGiven(JsonSchemaElement root) {
    return new JsonSchemaText(false).write(root, false).toString();
  }

  /**
   * Returns the schema of an answer in the form that servers with a strict mode ask for, OpenAI
   * among them: an object has no other properties than those named and all of those; one that is
   * optional may be null. An object without named properties, or one that says that it may have
   * others, stays open.
   */
  static String strict(JsonSchemaElement root) {
    return new JsonSchemaText(true).write(root, false).toString();
  }

  private StringBuilder write(JsonSchemaElement element, boolean nullable) {
    if (nullable && !hasType(element)) {
      out.append("{\"anyOf\":[");
      write(element, false);
      return out.append(',').append(NULL).append("]}");
    }
    if (element instanceof JsonRawSchema raw) {
      return out.append(raw.schema());
    }
    if (element instanceof JsonNullSchema) {
      return out.append(NULL);
    }
    if (element instanceof JsonReferenceSchema reference) {
      out.append("{\"$ref\":");
      return quote("#/$defs/" + reference.reference()).append('}');
    }
    return writeDescribed(element, nullable);
  }

  /** Returns whether its {@code type} can say that it may be null. */
  private static boolean hasType(JsonSchemaElement element) {
    return element instanceof JsonStringSchema
        || element instanceof JsonEnumSchema
        || element instanceof JsonIntegerSchema
        || element instanceof JsonNumberSchema
        || element instanceof JsonBooleanSchema
        || element instanceof JsonArraySchema
        || element instanceof JsonNullSchema;
  }

  private StringBuilder writeDescribed(JsonSchemaElement element, boolean nullable) {
    out.append('{');
    if (element instanceof JsonAnyOfSchema any) {
      writeAnyOf(any);
    } else {
      writeType(typeOf(element), nullable);
      writeRest(element, nullable);
    }
    @Nullable String description = element.description();
    if (description != null) {
      out.append(",\"description\":");
      quote(description);
    }
    return out.append('}');
  }

  private void writeAnyOf(JsonAnyOfSchema any) {
    out.append("\"anyOf\":[");
    String separator = "";
    for (JsonSchemaElement each : any.anyOf()) {
      out.append(separator);
      write(each, false);
      separator = ",";
    }
    out.append(']');
  }

  private static String typeOf(JsonSchemaElement element) {
    if (element instanceof JsonObjectSchema) {
      return "object";
    }
    if (element instanceof JsonArraySchema) {
      return "array";
    }
    if (element instanceof JsonStringSchema || element instanceof JsonEnumSchema) {
      return "string";
    }
    if (element instanceof JsonIntegerSchema) {
      return "integer";
    }
    if (element instanceof JsonNumberSchema) {
      return "number";
    }
    if (element instanceof JsonBooleanSchema) {
      return "boolean";
    }
    throw new UnsupportedFeatureException(
        "schema must be of elements known to LangChain4j 1.23, was " + element.getClass());
  }

  private void writeType(String type, boolean nullable) {
    out.append("\"type\":");
    if (nullable) {
      out.append('[');
      quote(type).append(",\"null\"]");
    } else {
      quote(type);
    }
  }

  private void writeRest(JsonSchemaElement element, boolean nullable) {
    if (element instanceof JsonObjectSchema object) {
      writeObject(object);
    } else if (element instanceof JsonArraySchema array && array.items() != null) {
      out.append(",\"items\":");
      write(array.items(), false);
    } else if (element instanceof JsonEnumSchema constants) {
      out.append(",\"enum\":");
      writeStrings(constants.enumValues());
      if (nullable) {
        out.insert(out.length() - 1, ",null");
      }
    }
  }

  private void writeObject(JsonObjectSchema object) {
    Boolean others = object.additionalProperties();
    boolean closed = strict && !Boolean.TRUE.equals(others) && !object.properties().isEmpty();
    List<String> required = object.required() == null ? List.of() : object.required();
    out.append(",\"properties\":");
    writeProperties(object.properties(), closed, required);
    out.append(",\"required\":");
    writeStrings(closed ? object.properties().keySet() : required);
    if (closed || others != null) {
      out.append(",\"additionalProperties\":").append(!closed && others);
    }
    if (!object.definitions().isEmpty()) {
      out.append(",\"$defs\":");
      writeProperties(object.definitions(), false, List.of());
    }
  }

  private void writeProperties(
      Map<String, JsonSchemaElement> properties, boolean closed, List<String> required) {
    out.append('{');
    String separator = "";
    for (Map.Entry<String, JsonSchemaElement> property : properties.entrySet()) {
      out.append(separator);
      quote(property.getKey()).append(':');
      write(property.getValue(), closed && !required.contains(property.getKey()));
      separator = ",";
    }
    out.append('}');
  }

  private void writeStrings(Collection<String> strings) {
    out.append('[');
    String separator = "";
    for (String each : strings) {
      out.append(separator);
      quote(each);
      separator = ",";
    }
    out.append(']');
  }

  private StringBuilder quote(String text) {
    Json.appendQuoted(text, out);
    return out;
  }
}
