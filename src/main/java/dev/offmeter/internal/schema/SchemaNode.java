// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.schema;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import org.jspecify.annotations.Nullable;

/** Describes one kind of value: its schema, and how it is read. */
sealed interface SchemaNode
    permits ScalarSchema, EnumSchema, ArraySchema, NullableSchema, ObjectSchema {
  /** Returns a new schema, which the caller may change. */
  ObjectNode schema();

  /**
   * Reads the value of a node.
   *
   * @param path the path of the node, in the names of the components
   */
  @Nullable Object read(JsonNode node, String path) throws AttemptException;

  /** Returns a schema of only a type. */
  static ObjectNode ofType(String type) {
    return JsonNodeFactory.instance.objectNode().put("type", type);
  }

  /**
   * Returns the failure of a node that breaks a rule. Neither path nor rule may contain text of the
   * reply.
   */
  static AttemptException mismatch(JsonNode node, String path, String rule) {
    String broken = node.isNull() ? "must not be null" : rule;
    return AttemptException.of(FailureKind.FORMAT_MISMATCH, path + " " + broken);
  }
}
