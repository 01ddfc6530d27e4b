// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.failover;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatResponse;
import dev.offmeter.FailureKind;
import dev.offmeter.FinishReason;
import dev.offmeter.wire.Failure;
import org.jspecify.annotations.Nullable;

/**
 * What is asked of one endpoint, and whether its answer is that. An answer that does not fit can
 * change the question once: the endpoint is then told what is wrong. Used by one thread at a time.
 */
final class Wanted {
  private final Acceptance acceptance;
  private ChatRequest request;
  private @Nullable String misfit;
  private boolean mended;

  Wanted(ChatRequest request, Acceptance acceptance) {
    this.request = request;
    this.acceptance = acceptance;
  }

  ChatRequest request() {
    return request;
  }

  /**
   * Looks at a complete answer.
   *
   * @throws Failure if it is not what its caller wants
   */
  void check(ChatResponse response) throws Failure {
    int attempts = response.attempts().size();
    int status = response.attempts().get(attempts - 1).status().orElse(0);
    try {
      misfit = response.text();
      acceptance.read(response);
      misfit = null;
      Acceptance.check(request, response);
    } catch (Failure failure) {
      throw told(failure, response).withStatus(status);
    }
  }

  private Failure told(Failure failure, ChatResponse response) {
    boolean cut = response.finishReason() == FinishReason.LENGTH;
    return cut && failure.kind() == FailureKind.FORMAT_MISMATCH
        ? failure.withMessage(
            failure.message()
                + "; it was cut at its maxTokens of "
                + request.maxTokens()
                + " (finish reason LENGTH)")
        : failure;
  }

  /** Whether the endpoint is to be asked again, for a better version of what it gave. */
  boolean isMended(Failure failure) {
    String answer = misfit;
    misfit = null;
    if (answer == null || answer.isBlank() || mended || !request.repairTurn()) {
      return false;
    }
    mended = true;
    String wrong = "That does not fit: " + failure.message() + ".";
    request =
        request.toBuilder()
            .assistant(answer)
            .user(wrong + " Answer again, with nothing but JSON that fits.")
            .build();
    return true;
  }
}
