// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.schema;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.offmeter.internal.AttemptException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Describes a list or a set. */
record ArraySchema(SchemaNode element, boolean distinct) implements SchemaNode {
  @Override
  public ObjectNode schema() {
    return SchemaNode.ofType("array").set("items", element.schema());
  }

  @Override
  public Object read(JsonNode node, String path) throws AttemptException {
    if (!node.isArray()) {
      throw SchemaNode.mismatch(node, path, "must be an array");
    }
    Collection<@Nullable Object> values = distinct ? new LinkedHashSet<>() : new ArrayList<>();
    for (int i = 0; i < node.size(); i++) {
      if (!values.add(element.read(node.path(i), path + "[" + i + "]"))) {
        throw SchemaNode.mismatch(node, path, "must not have a value twice");
      }
    }
    return values instanceof Set<@Nullable Object> set
        ? Collections.unmodifiableSet(set)
        : Collections.unmodifiableList((List<@Nullable Object>) values);
  }
}
