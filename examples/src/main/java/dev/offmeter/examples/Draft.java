// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.examples;

import dev.offmeter.ChatResponse;
import dev.offmeter.FinishReason;

/** An invoice and the answer that is to follow it up. */
record Draft(Invoice invoice, ChatResponse answer) {
  /** Half an answer must not look like one that can be sent. */
  boolean isIncomplete() {
    return answer.finishReason() == FinishReason.LENGTH;
  }

  /** The endpoint, and the model if it has one: a template has none. */
  String author() {
    return answer.model().isEmpty()
        ? answer.endpoint()
        : answer.endpoint() + " (" + answer.model() + ")";
  }

  int attempts() {
    return answer.attempts().size();
  }

  int tokensIn() {
    return answer.usage().inputTokens();
  }

  int tokensOut() {
    return answer.usage().outputTokens();
  }

  double seconds() {
    return answer.elapsed().toNanos() / 1e9;
  }
}
