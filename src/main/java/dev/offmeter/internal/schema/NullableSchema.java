// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.schema;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.offmeter.internal.AttemptException;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Describes a value that may be null or missing; {@code optional} if it is passed as an Optional.
 */
record NullableSchema(SchemaNode value, boolean optional) implements SchemaNode {
  @Override
  public ObjectNode schema() {
    ObjectNode schema = value.schema();
    if (value instanceof ObjectSchema) {
      ObjectNode union = JsonNodeFactory.instance.objectNode();
      union.putArray("anyOf").add(schema).add(SchemaNode.ofType("null"));
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
  public @Nullable Object read(JsonNode node, String path) throws AttemptException {
    boolean absent = node.isNull() || node.isMissingNode();
    @Nullable Object read = absent ? null : value.read(node, path);
    return optional ? Optional.ofNullable(read) : read;
  }
}
