// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.FailureKind;
import dev.offmeter.FinishReason;
import dev.offmeter.internal.AttemptException;
import org.jspecify.annotations.Nullable;

/**
 * What is asked of one endpoint, and whether its answer is that. An answer that does not fit can
 * change the question once: the endpoint is then told what is wrong. Used by one thread at a time.
 */
final class AnswerRepair {
  private final AnswerValidator validator;
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
   * Looks at a complete answer.
   *
   * @throws AttemptException if it is not what its caller wants
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

  /** Returns whether the endpoint is to be asked again, for a better version of what it gave. */
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
