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
  private @Nullable T value;

  Typed(Shape<T> shape) {
    this.shape = shape;
  }

  @Override
  public void read(String text) throws Failure {
    try {
      value = shape.read(text);
    } catch (RuntimeException | StackOverflowError | AssertionError | LinkageError e) {
      // The record's own code, such as hashCode() in a set. The class alone: a message may quote.
      throw Failure.of(FailureKind.FORMAT_MISMATCH, "the record threw " + e.getClass().getName());
    }
  }

  T value() {
    return Objects.requireNonNull(value);
  }
}
