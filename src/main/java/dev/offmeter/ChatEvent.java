// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

/**
 * An event of a {@link ChatStream}. Further kinds may be added; a {@code switch} over them needs a
 * {@code default}.
 *
 * <p>No {@code toString()} holds any part of an answer.
 */
public sealed interface ChatEvent {
  /**
   * A piece of the answer.
   *
   * @param text the text to append; not empty
   */
  record TextDelta(String text) implements ChatEvent {
    @Override
    public String toString() {
      return "TextDelta[" + text.length() + " chars]";
    }
  }

  /**
   * A piece of the model's thinking before its answer.
   *
   * @param text the text to append; not empty
   */
  record ThinkingDelta(String text) implements ChatEvent {
    @Override
    public String toString() {
      return "ThinkingDelta[" + text.length() + " chars]";
    }
  }

  /**
   * Tells the reader to discard everything that was shown. Another answer follows from its
   * beginning, or the exception that says that there is none. Sent with {@link
   * StreamRecovery#RESTART} only.
   *
   * @param failed the attempt that broke off
   * @param discardText the number of {@code char}s of its text that were shown
   * @param discardThinking the number of {@code char}s of its thinking
   */
  record Restarted(Attempt failed, int discardText, int discardThinking) implements ChatEvent {}

  /**
   * Ends the stream: the answer is complete and checked.
   *
   * @param response the response that {@link LlmClient#chat(ChatRequest)} would have returned
   */
  record Completed(ChatResponse response) implements ChatEvent {}
}
