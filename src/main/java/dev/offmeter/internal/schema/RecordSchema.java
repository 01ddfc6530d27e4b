// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.schema;

import dev.offmeter.internal.AttemptException;
import java.util.Objects;

/**
 * The shape that an answer is asked for in: a record class as a JSON schema, and the text of a
 * reply as a checked value of that record.
 *
 * <p>The schema keeps to what strict modes and grammars of servers have in common: every property
 * is required, no other is allowed, and what may be missing is a union with null. A component may
 * be a String, a whole number ({@code byte} to {@code long}, BigInteger), a number ({@code float},
 * {@code double}, BigDecimal), a boolean, an enum, a LocalDate, another record, a List or a Set of
 * these, or an Optional of these. A component or an element with an annotation named {@code
 * Nullable} may be null. Jackson's {@code @JsonProperty} renames a component and
 * {@code @JsonPropertyDescription} describes it.
 *
 * <p>At most 10 records and lists may stand in each other, and a schema has at most 1000
 * properties. Threads may share it.
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
   * The shape of a record class.
   *
   * @throws IllegalArgumentException if the class is no record, or a component of it has a type
   *     that no schema can be written for; the message names the component and its type
   */
  public static <T> RecordSchema<T> of(Class<T> type) {
    return new RecordSchema<>(Objects.requireNonNull(type, "type"), RecordSchemaReader.of(type));
  }

  /**
   * Checks a reply against a schema that a caller wrote; its words that are heeded stand in {@code
   * docs/answers.md}.
   *
   * @param schema a JSON object
   * @throws AttemptException of kind {@code FORMAT_MISMATCH}; it says where and which rule, and
   *     repeats nothing of the reply
   */
  public static void check(String schema, String text) throws AttemptException {
    JsonSchemaValidator.check(schema, text);
  }

  /** The schema as JSON text, the same every time, its properties in the order of the record. */
  public String schema() {
    return schema;
  }

  /**
   * The value that a reply holds: one JSON object, bare or in one Markdown fence, without a
   * property that is missing, unknown or there twice. No value is turned into another type: {@code
   * "42"} is no number, though {@code 3.0} is a whole one. Lists and sets are unmodifiable.
   *
   * @throws AttemptException of kind {@code FORMAT_MISMATCH}; it says where and which rule, and
   *     repeats nothing of the reply
   */
  public T read(String text) throws AttemptException {
    Objects.requireNonNull(text, "text");
    return type.cast(objectSchema.read(JsonExtractor.of(text), "$"));
  }
}
