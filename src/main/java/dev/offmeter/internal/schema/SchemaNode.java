// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.schema;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import org.jspecify.annotations.Nullable;

/** One kind of value: what its schema is, and how it is read. */
sealed interface SchemaNode
    permits ScalarSchema, EnumSchema, ArraySchema, NullableSchema, ObjectSchema {
  /** A new schema, for the caller to change. */
  ObjectNode schema();

  /**
   * The value of a node.
   *
   * @param path where the node stands, in the names of the components
   */
  @Nullable Object read(JsonNode node, String path) throws AttemptException;

  /** A schema of a type and nothing else. */
  static ObjectNode ofType(String type) {
    return JsonNodeFactory.instance.objectNode().put("type", type);
  }

  /** The failure of a node that breaks a rule; neither may have text of the reply in it. */
  static AttemptException mismatch(JsonNode node, String path, String rule) {
    String broken = node.isNull() ? "must not be null" : rule;
    return AttemptException.of(FailureKind.FORMAT_MISMATCH, path + " " + broken);
  }
}
