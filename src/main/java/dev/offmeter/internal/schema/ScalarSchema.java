// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.schema;

import static java.util.Map.entry;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.offmeter.internal.AttemptException;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.time.LocalDate;
import java.time.format.DateTimeParseException;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Describes a value without parts: a text, a number, a boolean, a date.
 *
 * @param type the type in a schema
 * @param format the format in a schema, empty for none
 * @param rule the rule for values, for a message
 * @param reader reads the value of a node, null for one that breaks the rule
 */
record ScalarSchema(
    String type, String format, String rule, Function<JsonNode, @Nullable Object> reader)
    implements SchemaNode {
  /** Bounds numbers: 1e999999999 is short to write and fills the memory once it is expanded. */
  private static final int MOST_DIGITS = 1000;

  private static final Map<Class<?>, ScalarSchema> BY_CLASS =
      Map.ofEntries(
          entry(String.class, new ScalarSchema("string", "must be a string", JsonNode::textValue)),
          entry(
              Boolean.class,
              new ScalarSchema("boolean", "must be true or false", ScalarSchema::truth)),
          entry(
              LocalDate.class,
              new ScalarSchema(
                  "string", "date", "must be a date such as 2026-11-21", ScalarSchema::date)),
          entry(Byte.class, whole(Byte.MIN_VALUE, Byte.MAX_VALUE, BigDecimal::byteValue)),
          entry(Short.class, whole(Short.MIN_VALUE, Short.MAX_VALUE, BigDecimal::shortValue)),
          entry(Integer.class, whole(Integer.MIN_VALUE, Integer.MAX_VALUE, BigDecimal::intValue)),
          entry(Long.class, whole(Long.MIN_VALUE, Long.MAX_VALUE, BigDecimal::longValue)),
          entry(
              BigInteger.class,
              new ScalarSchema("integer", "must be a whole number", ScalarSchema::big)),
          entry(Float.class, number(ScalarSchema::finiteFloat)),
          entry(Double.class, number(ScalarSchema::finiteDouble)),
          entry(BigDecimal.class, number(exact -> exact)));

  private static final Map<Class<?>, Class<?>> BOXES =
      Map.of(
          boolean.class, Boolean.class,
          byte.class, Byte.class,
          short.class, Short.class,
          int.class, Integer.class,
          long.class, Long.class,
          float.class, Float.class,
          double.class, Double.class);

  private ScalarSchema(String type, String rule, Function<JsonNode, @Nullable Object> reader) {
    this(type, "", rule, reader);
  }

  /** Returns the schema of a class, null if it is not a scalar. */
  static @Nullable ScalarSchema of(Class<?> type) {
    return BY_CLASS.get(BOXES.getOrDefault(type, type));
  }

  @Override
  public ObjectNode schema() {
    ObjectNode schema = SchemaNode.ofType(type);
    return format.isEmpty() ? schema : schema.put("format", format);
  }

  @Override
  public Object read(JsonNode node, String path) throws AttemptException {
    @Nullable Object value = reader.apply(node);
    if (value == null) {
      throw SchemaNode.mismatch(node, path, rule);
    }
    return value;
  }

  private static ScalarSchema whole(long least, long most, Function<BigDecimal, Object> exact) {
    BigDecimal floor = BigDecimal.valueOf(least);
    BigDecimal ceiling = BigDecimal.valueOf(most);
    return new ScalarSchema(
        "integer",
        "must be a whole number from " + least + " to " + most,
        node -> {
          @Nullable BigDecimal number = wholeNumber(node);
          boolean fits =
              number != null && number.compareTo(floor) >= 0 && number.compareTo(ceiling) <= 0;
          return fits ? exact.apply(number) : null;
        });
  }

  private static ScalarSchema number(Function<BigDecimal, @Nullable Object> reader) {
    return new ScalarSchema(
        "number",
        "must be a number in the range of its type",
        node -> {
          @Nullable BigDecimal number = decimal(node);
          return number == null ? null : reader.apply(number);
        });
  }

  private static @Nullable Object truth(JsonNode node) {
    return node.isBoolean() ? node.booleanValue() : null;
  }

  private static @Nullable Object date(JsonNode node) {
    try {
      return node.isTextual() ? LocalDate.parse(node.textValue()) : null;
    } catch (DateTimeParseException e) {
      return null;
    }
  }

  private static @Nullable Object big(JsonNode node) {
    @Nullable BigDecimal number = wholeNumber(node);
    return number == null ? null : number.toBigInteger();
  }

  private static @Nullable Object finiteFloat(BigDecimal number) {
    float value = number.floatValue();
    return Float.isInfinite(value) ? null : value;
  }

  private static @Nullable Object finiteDouble(BigDecimal number) {
    double value = number.doubleValue();
    return Double.isInfinite(value) ? null : value;
  }

  private static @Nullable BigDecimal wholeNumber(JsonNode node) {
    @Nullable BigDecimal number = decimal(node);
    return number == null || number.stripTrailingZeros().scale() > 0 ? null : number;
  }

  private static @Nullable BigDecimal decimal(JsonNode node) {
    if (!node.isNumber()) {
      return null;
    }
    BigDecimal number = node.decimalValue();
    long before = (long) number.precision() - number.scale();
    return before > MOST_DIGITS || number.scale() > MOST_DIGITS ? null : number;
  }
}
