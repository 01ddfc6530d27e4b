// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.schema;

import dev.offmeter.internal.AttemptException;
import java.util.Objects;

/**
 * Turns a record class into a JSON schema, and the text of a reply into a checked value of that
 * record.
 *
 * <p>The schema keeps to what strict modes and grammars of servers have in common: every property
 * is required, no other is allowed, and what may be missing is a union with null. A component may
 * be a String, a whole number ({@code byte} to {@code long}, BigInteger), a number ({@code float},
 * {@code double}, BigDecimal), a boolean, an enum, a LocalDate, another record, a List or a Set of
 * these, or an Optional of these. A component or an element with an annotation named {@code
 * Nullable} may be null. Jackson's {@code @JsonProperty} renames a component and
 * {@code @JsonPropertyDescription} describes it.
 *
 * <p>Records and lists may be nested at most 10 deep, and a schema has at most 1000 properties.
 * Safe for use by many threads.
 */
public final class RecordSchema<T> {
  private final Class<T> type;
  private final ObjectSchema objectSchema;
  private final String schema;

  private RecordSchema(Class<T> type, ObjectSchema objectSchema) {
    this.type = type;
    this.objectSchema = objectSchema;
    this.schema = objectSchema.schema().toString();
  }

  /**
   * Returns the schema of a record class.
   *
   * @throws IllegalArgumentException if the class is no record, or a component of it has a type
   *     that no schema can be written for; the message names the component and its type
   */
  public static <T> RecordSchema<T> of(Class<T> type) {
    return new RecordSchema<>(Objects.requireNonNull(type, "type"), RecordSchemaReader.of(type));
  }

  /**
   * Checks a reply against a schema that a caller wrote; {@code docs/answers.md} lists the keywords
   * that are checked.
   *
   * @param schema a JSON object
   * @throws AttemptException of kind {@code FORMAT_MISMATCH}; the message says where and which
   *     rule, and repeats nothing of the reply
   */
  public static void check(String schema, String text) throws AttemptException {
    JsonSchemaValidator.check(schema, text);
  }

  /**
   * Returns the schema as JSON text, the same every time, its properties in the order of the
   * record.
   */
  public String schema() {
    return schema;
  }

  /**
   * Returns the value in a reply: one JSON object, bare or in one Markdown fence, without a
   * property that is missing, unknown or duplicate. No value is converted to another type: {@code
   * "42"} is no number, though {@code 3.0} is a whole one. Lists and sets are unmodifiable.
   *
   * @throws AttemptException of kind {@code FORMAT_MISMATCH}; the message says where and which
   *     rule, and repeats nothing of the reply
   */
  public T read(String text) throws AttemptException {
    Objects.requireNonNull(text, "text");
    return type.cast(objectSchema.read(JsonExtractor.of(text), "$"));
  }
}
