// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import dev.offmeter.failover.Acceptance;
import dev.offmeter.wire.Failure;
import dev.offmeter.wire.Shape;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Keeps what the last answer was read as: the one that was accepted. For one call. */
final class Typed<T> implements Acceptance {
  private final Shape<T> shape;
  private volatile @Nullable Read<T> last;

  private record Read<T>(String text, T value) {}

  Typed(Shape<T> shape) {
    this.shape = shape;
  }

  @Override
  public void read(ChatResponse answer) throws Failure {
    String text = answer.text();
    try {
      last = new Read<>(text, shape.read(text));
    } catch (Failure e) {
      throw e;
    } catch (Throwable e) {
      // The record's own code, such as hashCode() in a set. The class alone: a message may quote.
      throw Failure.of(FailureKind.FORMAT_MISMATCH, "the record threw " + e.getClass().getName());
    }
  }

  /** The value of the answer that was chosen; another may have been read after it. */
  T value(String text) {
    Read<T> read = Objects.requireNonNull(last);
    if (read.text().equals(text)) {
      return read.value();
    }
    try {
      return shape.read(text);
    } catch (Failure e) {
      throw new IllegalStateException("an answer that has been read before", e);
    }
  }
}
