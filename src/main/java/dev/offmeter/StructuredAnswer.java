// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.failover.AnswerValidator;
import dev.offmeter.internal.schema.RecordSchema;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Keeps what the last answer was read as: the one that was accepted. For one call. */
final class StructuredAnswer<T> implements AnswerValidator {
  private final RecordSchema<T> recordSchema;
  private volatile @Nullable Read<T> last;

  private record Read<T>(String text, T value) {}

  StructuredAnswer(RecordSchema<T> recordSchema) {
    this.recordSchema = recordSchema;
  }

  @Override
  public void validate(ChatResponse answer) throws AttemptException {
    String text = answer.text();
    try {
      last = new Read<>(text, recordSchema.read(text));
    } catch (AttemptException e) {
      throw e;
    } catch (Throwable e) {
      // The record's own code, such as hashCode() in a set. The class alone: a message may quote.
      throw AttemptException.of(
          FailureKind.FORMAT_MISMATCH, "the record threw " + e.getClass().getName());
    }
  }

  /** Returns the value of the answer that was chosen; another may have been read after it. */
  T value(String text) {
    Read<T> read = Objects.requireNonNull(last);
    if (read.text().equals(text)) {
      return read.value();
    }
    try {
      return recordSchema.read(text);
    } catch (AttemptException e) {
      throw new IllegalStateException("an answer that has been read before", e);
    }
  }
}
