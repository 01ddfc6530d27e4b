// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** One of the constants of an enum, by its name. */
record Choice(Map<String, Object> constants) implements Form {
  @Override
  public ObjectNode schema() {
    ObjectNode schema = Form.ofType("string");
    constants.keySet().forEach(schema.putArray("enum")::add);
    return schema;
  }

  @Override
  public Object read(JsonNode node, String path) throws Failure {
    @Nullable Object constant = node.isTextual() ? constants.get(node.textValue()) : null;
    if (constant == null) {
      throw Form.mismatch(node, path, "must be one of " + String.join(", ", constants.keySet()));
    }
    return constant;
  }
}
