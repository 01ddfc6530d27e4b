// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.failover.AnswerValidator;
import dev.offmeter.internal.schema.RecordSchema;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Keeps the value that the last answer was read as. Used for one call. */
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
      // The record's own code failed, such as hashCode() in a set. The class alone is reported: a
      // message may quote the answer.
      throw AttemptException.of(
          FailureKind.FORMAT_MISMATCH, "the record threw " + e.getClass().getName());
    }
  }

  /**
   * Returns the value of the answer that was chosen. It is read again if another answer was read
   * after it, which hedging allows.
   */
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
