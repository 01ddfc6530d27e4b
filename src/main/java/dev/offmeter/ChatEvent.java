// SPDX-License-Identifier: Apache-2.0
package dev.offmeter;

/**
 * What a reader of a {@link ChatStream} is told. Further kinds may be added; a {@code switch} over
 * them wants a {@code default}.
 *
 * <p>No {@code toString()} holds any of an answer.
 */
public sealed interface ChatEvent {
  /**
   * More of the answer.
   *
   * @param text what is to be added; not empty
   */
  record TextDelta(String text) implements ChatEvent {
    @Override
    public String toString() {
      return "TextDelta[" + text.length() + " chars]";
    }
  }

  /**
   * More of what the model thinks before it answers.
   *
   * @param text what is to be added; not empty
   */
  record ThinkingDelta(String text) implements ChatEvent {
    @Override
    public String toString() {
      return "ThinkingDelta[" + text.length() + " chars]";
    }
  }

  /**
   * All that was shown is void: throw it away. What follows is another answer from its beginning,
   * or the exception that says that there is none. Comes with {@link StreamRecovery#RESTART} only.
   *
   * @param failed the attempt that broke off: which endpoint, and why
   * @param discardText how many {@code char}s of text were shown of it
   * @param discardThinking how many of thinking
   */
  record Restarted(Attempt failed, int discardText, int discardThinking) implements ChatEvent {}

  /**
   * The answer is whole and checked. The last event.
   *
   * @param response the same as {@link LlmClient#chat(ChatRequest)} would have given
   */
  record Completed(ChatResponse response) implements ChatEvent {}
}
