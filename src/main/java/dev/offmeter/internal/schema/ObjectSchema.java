// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.schema;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.offmeter.FailureKind;
import dev.offmeter.internal.AttemptException;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Describes a record, which is created by its canonical constructor. */
record ObjectSchema(Constructor<?> constructor, List<Property> properties) implements SchemaNode {
  /** Describes one component; an empty description is none. */
  record Property(String name, String description, SchemaNode schemaNode) {
    boolean isOptional() {
      return schemaNode instanceof NullableSchema;
    }

    ObjectNode schema() {
      ObjectNode schema = schemaNode.schema();
      return description.isEmpty() ? schema : schema.put("description", description);
    }
  }

  @Override
  public ObjectNode schema() {
    ObjectNode named = JsonNodeFactory.instance.objectNode();
    ArrayNode required = JsonNodeFactory.instance.arrayNode();
    for (Property property : properties) {
      named.set(property.name(), property.schema());
      required.add(property.name());
    }
    ObjectNode schema = SchemaNode.ofType("object");
    schema.set("properties", named);
    schema.set("required", required);
    return schema.put("additionalProperties", false);
  }

  @Override
  public Object read(JsonNode node, String path) throws AttemptException {
    if (!node.isObject()) {
      throw SchemaNode.mismatch(node, path, "must be an object");
    }
    @Nullable Object[] arguments = new @Nullable Object[properties.size()];
    int known = 0;
    for (int i = 0; i < arguments.length; i++) {
      Property property = properties.get(i);
      JsonNode value = node.path(property.name());
      if (!value.isMissingNode()) {
        known++;
      } else if (!property.isOptional()) {
        throw SchemaNode.mismatch(node, path + "." + property.name(), "is missing");
      }
      arguments[i] = property.schemaNode().read(value, path + "." + property.name());
    }
    if (known < node.size()) {
      throw SchemaNode.mismatch(node, path, "has a property that was not asked for");
    }
    return construct(arguments, path);
  }

  private Object construct(@Nullable Object[] arguments, String path) throws AttemptException {
    try {
      return constructor.newInstance(arguments);
    } catch (InvocationTargetException e) {
      Throwable thrown = Objects.requireNonNull(e.getCause());
      if (thrown instanceof Error error) {
        throw error;
      }
      // Only the class of the exception: its message may quote the answer.
      String record = constructor.getDeclaringClass().getSimpleName();
      String message =
          path + ": the constructor of " + record + " threw " + thrown.getClass().getName();
      throw AttemptException.of(FailureKind.FORMAT_MISMATCH, message);
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException("a record is made by its canonical constructor", e);
    }
  }
}
