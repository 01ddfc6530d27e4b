// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import java.util.List;
import java.util.Objects;

/**
 * A call that ended without an answer. This class itself is thrown when the caller ended the call:
 * its thread was interrupted (the interrupt flag is set again), its future was cancelled, or the
 * client was closed. When the endpoints are the reason it is an {@link
 * AllEndpointsFailedException}.
 *
 * <p>Neither the message nor {@link #attempts()} holds a prompt, an answer or a secret.
 */
public class LlmException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** Not serialised: a copy sent elsewhere keeps the message, which tells the same. */
  private final transient List<Attempt> attempts;

  /**
   * An exception.
   *
   * @param message what happened
   * @param attempts every attempt so far, in order
   */
  public LlmException(String message, List<Attempt> attempts) {
    super(Objects.requireNonNull(message, "message"));
    this.attempts = List.copyOf(attempts);
  }

  /** Every attempt up to here, in the order in which they were made. */
  public List<Attempt> attempts() {
    return attempts == null ? List.of() : attempts;
  }
}
