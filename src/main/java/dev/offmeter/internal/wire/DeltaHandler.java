// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.wire;

import dev.offmeter.ChatResponse.ToolCall;
import dev.offmeter.Usage;

/** Receives the deltas of an answer as they arrive, on the thread that reads. */
public interface DeltaHandler {
  /** Called for a delta of the answer; not empty. */
  void onText(String delta);

  /** Called for a delta of thinking; not empty. */
  void onThinking(String delta);

  /** Called for a part of something that is shown only when complete, such as a tool call. */
  void onPart();

  /** Called for a complete tool call. */
  void onToolCall(ToolCall call);

  /** Called for a tool call although the request offers no tools; the call is not read. */
  default void onCallNotOffered() {}

  /**
   * Called when all text so far turns out to be thinking: its end tag came without its start tag.
   */
  void onTextWasThinking();

  /** Called with the counts that the server has told so far, which may be provisional. */
  default void onUsage(Usage soFar) {}

  /** Called when the text is complete. Only the count of tokens may follow. */
  default void onTextEnded() {}
}
