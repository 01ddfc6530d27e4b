// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.schema;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import java.lang.annotation.Annotation;
import java.lang.reflect.AnnotatedElement;
import java.lang.reflect.AnnotatedParameterizedType;
import java.lang.reflect.AnnotatedType;
import java.lang.reflect.Constructor;
import java.lang.reflect.InaccessibleObjectException;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Deque;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Reads the schema of a record class, and enforces all rules for such classes. */
final class RecordSchemaReader {
  private static final int MOST_LEVELS = 10;
  private static final int MOST_PROPERTIES = 1000;

  /** The records that enclose the current one, to detect one that contains itself. */
  private final Deque<Class<?>> enclosing = new ArrayDeque<>();

  private int properties;

  private RecordSchemaReader() {}

  /** Returns the schema of a record class. */
  static ObjectSchema of(Class<?> type) {
    if (!type.isRecord()) {
      throw new IllegalArgumentException("type must be a record, was " + type.getTypeName());
    }
    if (type.getTypeParameters().length > 0) {
      throw new IllegalArgumentException(
          "type must not have type parameters, was " + type.getTypeName());
    }
    return new RecordSchemaReader().recordSchema(type, 1);
  }

  private ObjectSchema recordSchema(Class<?> type, int level) {
    enclosing.push(type);
    List<ObjectSchema.Property> forms = new ArrayList<>();
    Set<String> names = new HashSet<>();
    for (RecordComponent component : type.getRecordComponents()) {
      ObjectSchema.Property property = property(component, level);
      if (!names.add(property.name())) {
        throw unsuitable(component, "has the name of another property, '" + property.name() + "'");
      }
      forms.add(property);
    }
    if (forms.isEmpty()) {
      throw new IllegalArgumentException(
          type.getTypeName() + " must have a component: there is nothing to ask for");
    }
    enclosing.pop();
    return new ObjectSchema(constructor(type), List.copyOf(forms));
  }

  private ObjectSchema.Property property(RecordComponent component, int level) {
    if (++properties > MOST_PROPERTIES) {
      throw unsuitable(component, "is one of more than " + MOST_PROPERTIES + " properties");
    }
    String name = component.getName();
    String description = "";
    boolean nullable = false;
    for (Annotation annotation : annotations(component)) {
      if (annotation instanceof JsonProperty renamed && !renamed.value().isEmpty()) {
        name = renamed.value();
      } else if (annotation instanceof JsonPropertyDescription described) {
        description = described.value();
      }
      nullable |= isNullable(annotation);
    }
    SchemaNode schemaNode = schemaFor(component, component.getAnnotatedType(), nullable, level);
    return new ObjectSchema.Property(name, description, schemaNode);
  }

  /**
   * Returns the annotations of a component, which the compiler puts on the component, its field or
   * its accessor, depending on their target.
   */
  private static List<Annotation> annotations(RecordComponent component) {
    Stream<AnnotatedElement> fields =
        Arrays.stream(component.getDeclaringRecord().getDeclaredFields())
            .filter(field -> field.getName().equals(component.getName()))
            .map(field -> field);
    return Stream.concat(Stream.of(component, component.getAccessor()), fields)
        .flatMap(place -> Arrays.stream(place.getAnnotations()))
        .toList();
  }

  private static boolean isNullable(Annotation annotation) {
    return annotation.annotationType().getSimpleName().equals("Nullable");
  }

  private SchemaNode schemaFor(
      RecordComponent component, AnnotatedType type, boolean nullable, int level) {
    boolean orNull =
        nullable || Arrays.stream(type.getAnnotations()).anyMatch(RecordSchemaReader::isNullable);
    SchemaNode schemaNode = plainSchema(component, type, level);
    if (!orNull || schemaNode instanceof NullableSchema) {
      return schemaNode;
    }
    if (type.getType() instanceof Class<?> single && single.isPrimitive()) {
      throw unsuitable(component, "is of type " + single + ", which cannot be null");
    }
    return new NullableSchema(schemaNode, false);
  }

  private SchemaNode plainSchema(RecordComponent component, AnnotatedType type, int level) {
    if (type instanceof AnnotatedParameterizedType generic) {
      return genericSchema(component, generic, level);
    }
    if (!(type.getType() instanceof Class<?> single)) {
      throw unsupported(component, type.getType());
    }
    @Nullable SchemaNode scalar = ScalarSchema.of(single);
    if (scalar != null) {
      return scalar;
    }
    if (single.isEnum() && single.getEnumConstants().length > 0) {
      return enumSchema(single);
    }
    if (!single.isRecord() || single.getTypeParameters().length > 0) {
      throw unsupported(component, single);
    }
    if (enclosing.contains(single)) {
      throw unsuitable(
          component, "is of type " + single.getTypeName() + ", which must not contain itself");
    }
    return recordSchema(single, deeper(component, level));
  }

  private SchemaNode genericSchema(
      RecordComponent component, AnnotatedParameterizedType type, int level) {
    Type raw = ((ParameterizedType) type.getType()).getRawType();
    AnnotatedType argument = type.getAnnotatedActualTypeArguments()[0];
    if (raw == List.class || raw == Set.class) {
      SchemaNode element = schemaFor(component, argument, false, deeper(component, level));
      return new ArraySchema(element, raw == Set.class);
    }
    if (raw != Optional.class) {
      throw unsupported(component, type.getType());
    }
    SchemaNode value = schemaFor(component, argument, false, level);
    if (value instanceof NullableSchema orNull) {
      if (orNull.optional()) {
        throw unsupported(component, type.getType());
      }
      value = orNull.value();
    }
    return new NullableSchema(value, true);
  }

  private static int deeper(RecordComponent component, int level) {
    if (level == MOST_LEVELS) {
      throw unsuitable(component, "is nested deeper than " + MOST_LEVELS + " levels");
    }
    return level + 1;
  }

  private static SchemaNode enumSchema(Class<?> type) {
    Map<String, Object> constants = new LinkedHashMap<>();
    for (Object constant : type.getEnumConstants()) {
      constants.put(((Enum<?>) constant).name(), constant);
    }
    return new EnumSchema(Collections.unmodifiableMap(constants));
  }

  private static Constructor<?> constructor(Class<?> type) {
    Class<?>[] parameters =
        Arrays.stream(type.getRecordComponents())
            .map(RecordComponent::getType)
            .toArray(Class<?>[]::new);
    try {
      Constructor<?> constructor = type.getDeclaredConstructor(parameters);
      constructor.setAccessible(true);
      return constructor;
    } catch (NoSuchMethodException e) {
      throw new IllegalStateException("a record has its canonical constructor", e);
    } catch (InaccessibleObjectException e) {
      throw new IllegalArgumentException(
          type.getTypeName() + " must be open to reflection: its module does not open the package",
          e);
    }
  }

  private static IllegalArgumentException unsupported(RecordComponent component, Type type) {
    return unsuitable(component, "is of type " + type.getTypeName() + ", which is not supported");
  }

  private static IllegalArgumentException unsuitable(RecordComponent component, String rule) {
    String record = component.getDeclaringRecord().getSimpleName();
    return new IllegalArgumentException(record + "." + component.getName() + " " + rule);
  }
}
