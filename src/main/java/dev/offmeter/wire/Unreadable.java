// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.wire;

import java.io.IOException;

/**
 * Bytes that cannot be part of an answer. It is no {@link Failure} by itself: after the end of the
 * answer it matters to nobody. Also carries one through a parser that lets only I/O exceptions
 * pass.
 */
final class Unreadable extends IOException {
  private static final long serialVersionUID = 1L;

  private final transient Failure failure;

  Unreadable(Failure failure) {
    super(failure.message());
    this.failure = failure;
  }

  Failure failure() {
    return failure;
  }
}
