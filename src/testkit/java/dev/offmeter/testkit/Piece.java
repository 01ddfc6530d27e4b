// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.testkit;

import dev.offmeter.ChatResponse.ToolCall;
import org.jspecify.annotations.Nullable;

/**
 * Holds one piece of a scripted answer.
 *
 * @param kind what it is a piece of
 * @param text the text; empty for a tool call
 * @param toolCall the tool call; null for text and thinking
 */
record Piece(Kind kind, String text, @Nullable ToolCall toolCall) {
  enum Kind {
    THINKING,
    TEXT,
    TOOL_CALL
  }

  static Piece text(String text) {
    return new Piece(Kind.TEXT, text, null);
  }

  static Piece thinking(String text) {
    return new Piece(Kind.THINKING, text, null);
  }

  static Piece toolCall(ToolCall call) {
    return new Piece(Kind.TOOL_CALL, "", call);
  }
}
