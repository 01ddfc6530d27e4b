// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import dev.offmeter.ChatResponse.ToolCall;

/** Takes the pieces of an answer as they arrive, on the thread that reads. */
public interface DeltaHandler {
  /** A piece of the answer; not empty. */
  void onText(String piece);

  /** A piece of thinking; not empty. */
  void onThinking(String piece);

  /** Part of something that is shown only when it is whole, such as a tool call; not empty. */
  void onPart();

  /** A call of a tool, whole. */
  void onToolCall(ToolCall call);

  /** A call of a tool although the request offers none. It is not read. */
  default void onCallNotOffered() {}

  /** All text so far was thinking: its end came without its beginning. */
  void onTextWasThinking();

  /** The text is whole. What may still follow is a count of tokens, or nothing at all. */
  default void onTextEnded() {}
}
