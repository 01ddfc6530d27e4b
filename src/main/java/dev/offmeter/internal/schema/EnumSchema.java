// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.schema;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.offmeter.internal.AttemptException;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Describes one of the constants of an enum, by its name. */
record EnumSchema(Map<String, Object> constants) implements SchemaNode {
  @Override
  public ObjectNode schema() {
    ObjectNode schema = SchemaNode.ofType("string");
    constants.keySet().forEach(schema.putArray("enum")::add);
    return schema;
  }

  @Override
  public Object read(JsonNode node, String path) throws AttemptException {
    @Nullable Object constant = node.isTextual() ? constants.get(node.textValue()) : null;
    if (constant == null) {
      throw SchemaNode.mismatch(
          node, path, "must be one of " + String.join(", ", constants.keySet()));
    }
    return constant;
  }
}
