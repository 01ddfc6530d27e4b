// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.FailureKind;
import dev.offmeter.FinishReason;
import dev.offmeter.internal.AttemptException;
import org.jspecify.annotations.Nullable;

/**
 * Holds the request to one endpoint and checks its answer. After an answer that does not fit, the
 * request is extended once by a repair turn that says what is wrong. Used by one thread at a time.
 */
final class AnswerRepair {
  private final AnswerValidator validator;

  // Owned by the thread that asks.

  private ChatRequest request;
  private @Nullable String rejectedText;
  private boolean repaired;

  AnswerRepair(ChatRequest request, AnswerValidator validator) {
    this.request = request;
    this.validator = validator;
  }

  ChatRequest request() {
    return request;
  }

  /**
   * Checks a complete answer.
   *
   * @throws AttemptException if the caller would not accept it
   */
  void check(ChatResponse response) throws AttemptException {
    int attempts = response.attempts().size();
    int status = response.attempts().get(attempts - 1).status().orElse(0);
    try {
      rejectedText = response.text();
      validator.validate(response);
      rejectedText = null;
      AnswerValidator.check(request, response);
    } catch (AttemptException failure) {
      throw withTruncationNote(failure, response).withStatus(status);
    }
  }

  private AttemptException withTruncationNote(AttemptException failure, ChatResponse response) {
    boolean cut = response.finishReason() == FinishReason.LENGTH;
    return cut && failure.kind() == FailureKind.FORMAT_MISMATCH
        ? failure.withMessage(
            failure.message()
                + "; it was cut at its maxTokens of "
                + request.maxTokens()
                + " (finish reason LENGTH)")
        : failure;
  }

  /**
   * Adds a repair turn to the request if the last answer may be repaired; returns whether it did.
   */
  boolean tryRepair(AttemptException failure) {
    String answer = rejectedText;
    rejectedText = null;
    if (answer == null || answer.isBlank() || repaired || !request.repairTurn()) {
      return false;
    }
    repaired = true;
    String wrong = "That does not fit: " + failure.message() + ".";
    request =
        request.toBuilder()
            .assistant(answer)
            .user(wrong + " Answer again, with nothing but JSON that fits.")
            .build();
    return true;
  }
}
