// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.offmeter.FailureKind;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** One kind of value: what its schema is, and how it is read. */
sealed interface Form permits Scalar, Form.Choice, Form.Several, Form.OrNull, RecordForm {
  /** A new schema, for the caller to change. */
  ObjectNode schema();

  /**
   * The value of a node.
   *
   * @param path where the node stands, in the names of the components
   */
  @Nullable Object read(JsonNode node, String path) throws Failure;

  /** A schema of a type and nothing else. */
  static ObjectNode ofType(String type) {
    return JsonNodeFactory.instance.objectNode().put("type", type);
  }

  /** The failure of a node that breaks a rule; neither may have text of the reply in it. */
  static Failure mismatch(JsonNode node, String path, String rule) {
    String broken = node.isNull() ? "must not be null" : rule;
    return Failure.of(FailureKind.FORMAT_MISMATCH, path + " " + broken);
  }

  /** One of the constants of an enum, by its name. */
  record Choice(Map<String, Object> constants) implements Form {
    @Override
    public ObjectNode schema() {
      ObjectNode schema = ofType("string");
      constants.keySet().forEach(schema.putArray("enum")::add);
      return schema;
    }

    @Override
    public Object read(JsonNode node, String path) throws Failure {
      @Nullable Object constant = node.isTextual() ? constants.get(node.textValue()) : null;
      if (constant == null) {
        throw mismatch(node, path, "must be one of " + String.join(", ", constants.keySet()));
      }
      return constant;
    }
  }

  /** A list, or a set. */
  record Several(Form element, boolean distinct) implements Form {
    @Override
    public ObjectNode schema() {
      return ofType("array").set("items", element.schema());
    }

    @Override
    public Object read(JsonNode node, String path) throws Failure {
      if (!node.isArray()) {
        throw mismatch(node, path, "must be an array");
      }
      Collection<@Nullable Object> values = distinct ? new LinkedHashSet<>() : new ArrayList<>();
      for (int i = 0; i < node.size(); i++) {
        if (!values.add(element.read(node.path(i), path + "[" + i + "]"))) {
          throw mismatch(node, path, "must not have a value twice");
        }
      }
      return values instanceof Set<@Nullable Object> set
          ? Collections.unmodifiableSet(set)
          : Collections.unmodifiableList((List<@Nullable Object>) values);
    }
  }

  /** A value that may be null or missing; optional if it is handed over as an Optional. */
  record OrNull(Form value, boolean optional) implements Form {
    @Override
    public ObjectNode schema() {
      ObjectNode schema = value.schema();
      if (value instanceof RecordForm) {
        ObjectNode union = JsonNodeFactory.instance.objectNode();
        union.putArray("anyOf").add(schema).add(ofType("null"));
        return union;
      }
      ArrayNode types = JsonNodeFactory.instance.arrayNode().add(schema.get("type")).add("null");
      schema.set("type", types);
      if (schema.get("enum") instanceof ArrayNode constants) {
        constants.addNull();
      }
      return schema;
    }

    @Override
    public @Nullable Object read(JsonNode node, String path) throws Failure {
      boolean absent = node.isNull() || node.isMissingNode();
      @Nullable Object read = absent ? null : value.read(node, path);
      return optional ? Optional.ofNullable(read) : read;
    }
  }
}
