// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

import java.util.List;
import java.util.Objects;
import java.util.Optional;

/**
 * Signals that a call ended without an answer. This class itself is thrown when the caller ended
 * the call: its thread was interrupted (the interrupt flag is set again), its future was cancelled,
 * its stream or the client was closed; when a content filter or a model refused explicitly, see
 * {@link #failure()}; and when a stream broke off whose {@link StreamRecovery} forbids another
 * answer. When the endpoints are the reason it is an {@link AllEndpointsFailedException}.
 *
 * <p>Neither the message nor {@link #attempts()} holds a prompt, an answer or a secret; {@link
 * #partialText()} holds what a stream had shown, and no {@code toString()} shows it.
 */
public class LlmException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** Not serialised: a copy sent elsewhere keeps the message, which lists them. */
  private final transient List<Attempt> attempts;

  private final transient String partialText;

  /**
   * Creates an exception.
   *
   * @param message what happened
   * @param attempts every attempt so far, in order
   */
  public LlmException(String message, List<Attempt> attempts) {
    this(message, attempts, "");
  }

  /**
   * Creates an exception that ends a stream.
   *
   * @param message what happened
   * @param attempts every attempt so far, in order
   * @param partialText the text that was shown
   */
  public LlmException(String message, List<Attempt> attempts, String partialText) {
    super(Objects.requireNonNull(message, "message"));
    this.attempts = List.copyOf(attempts);
    this.partialText = Objects.requireNonNull(partialText, "partialText");
  }

  /** Returns every attempt so far, in order. */
  public List<Attempt> attempts() {
    return attempts == null ? List.of() : attempts;
  }

  /**
   * Returns what went wrong at the last attempt, such as {@link FailureKind#CONTENT_FILTERED} when
   * an explicit refusal stopped the call; empty if there was no attempt.
   */
  public Optional<FailureKind> failure() {
    List<Attempt> all = attempts();
    return all.isEmpty() ? Optional.empty() : all.get(all.size() - 1).failure();
  }

  /**
   * Returns the text that a stream had shown when it broke off and no other answer could take its
   * place; empty for every other exception. The text is not a complete answer.
   */
  public String partialText() {
    return partialText == null ? "" : partialText;
  }
}
