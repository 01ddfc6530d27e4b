// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import dev.offmeter.internal.AttemptException;
import java.io.IOException;

/**
 * Reports bytes that cannot be part of an answer. Not an {@link AttemptException}, because after
 * the end of the answer they do no harm. Also carries one through a parser that passes only I/O
 * exceptions on.
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
