// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.http;

import dev.offmeter.ChatRequest;
import dev.offmeter.FailureKind;
import dev.offmeter.FinishReason;
import dev.offmeter.Message;
import dev.offmeter.internal.AttemptException;
import dev.offmeter.internal.wire.StreamEnd;

/** Decides why a complete reply has no text, and whose fault that is. */
final class EmptyAnswerClassifier {
  /** Output of a model that was cut because its context was full: no caller sets a limit so low. */
  private static final int HANDFUL = 8;

  /**
   * The length of a prompt, in characters, that may exceed the context of a server that answers
   * with nothing: the smallest default context of servers, 512 tokens, holds no more.
   */
  private static final int LONG_PROMPT = 2000;

  private EmptyAnswerClassifier() {}

  /**
   * Returns the failure.
   *
   * @param thought whether thinking came
   * @param called whether a call of a tool came that was not offered
   */
  static AttemptException of(
      ChatRequest request, StreamEnd streamEnd, boolean thought, boolean called) {
    if (called) {
      return AttemptException.of(
          FailureKind.MODEL_STOPPED,
          "a complete reply without text, but with a call of a tool, though none was offered");
    }
    return streamEnd.finishReason() == FinishReason.LENGTH
        ? truncated(request, streamEnd, thought)
        : stopped(request, thought);
  }

  /**
   * Classifies a reply that was cut. Thinking counts against the limit even if it is not shown, as
   * Gemini's does.
   */
  private static AttemptException truncated(
      ChatRequest request, StreamEnd streamEnd, boolean thought) {
    int most = request.maxTokens();
    int tokens = streamEnd.usage().outputTokens();
    boolean early = tokens > 0 && tokens < most && (tokens <= HANDFUL || !streamEnd.atOwnLimit());
    if (early && !thought) {
      return AttemptException.of(
          FailureKind.CONTEXT_OVERFLOW,
          "the context was full after " + tokens + " of " + most + " tokens, before any text");
    }
    if (thought && early && tokens > HANDFUL) {
      // The rest of the conversation fills the context, whatever the limit for output is.
      return AttemptException.of(
          FailureKind.CONTEXT_OVERFLOW,
          "the context was full after " + tokens + " of " + most + " tokens, all of them thinking");
    }
    if (streamEnd.atOwnLimit() || thought) {
      return AttemptException.of(
          FailureKind.THINKING_ONLY, "all " + most + " tokens went into thinking: raise maxTokens");
    }
    return tokens > 0
        ? AttemptException.of(
            FailureKind.THINKING_ONLY,
            "all " + most + " tokens were spent without any text: raise maxTokens")
        : AttemptException.of(
            FailureKind.CONTEXT_OVERFLOW, "cut before any text: the context may have been full");
  }

  private static AttemptException stopped(ChatRequest request, boolean thought) {
    if (!request.tools().isEmpty()) {
      // Servers drop a call that they cannot parse; Ollama also one of a tool that was not offered.
      return AttemptException.of(
          FailureKind.MODEL_STOPPED,
          "a complete reply without text or a call that can be read, though tools were offered");
    }
    int prompt = request.messages().stream().map(Message::content).mapToInt(String::length).sum();
    if (prompt >= LONG_PROMPT && !thought) {
      return AttemptException.of(
          FailureKind.CONTEXT_OVERFLOW,
          "a complete reply without text to a prompt of "
              + prompt
              + " characters, which may be longer than the context");
    }
    String without = thought ? "with thinking but no text" : "without text";
    return AttemptException.of(FailureKind.EMPTY_ANSWER, "a complete reply " + without);
  }
}
