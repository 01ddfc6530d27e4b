// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import dev.offmeter.internal.AttemptException;
import java.io.IOException;

/**
 * Bytes that cannot be part of an answer. It is no {@link AttemptException} by itself: after the
 * end of the answer it matters to nobody. Also carries one through a parser that lets only I/O
 * exceptions pass.
 */
public final class UnreadableReplyException extends IOException {
  private static final long serialVersionUID = 1L;

  private final transient AttemptException failure;

  UnreadableReplyException(AttemptException failure) {
    super(failure.message());
    this.failure = failure;
  }

  public AttemptException failure() {
    return failure;
  }
}
