// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** A value that may be null or missing; optional if it is handed over as an Optional. */
record OrNull(Form value, boolean optional) implements Form {
  @Override
  public ObjectNode schema() {
    ObjectNode schema = value.schema();
    if (value instanceof RecordForm) {
      ObjectNode union = JsonNodeFactory.instance.objectNode();
      union.putArray("anyOf").add(schema).add(Form.ofType("null"));
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
