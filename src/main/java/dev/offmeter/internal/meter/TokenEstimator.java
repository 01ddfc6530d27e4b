// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.meter;

import dev.offmeter.ChatRequest;
import dev.offmeter.ChatRequest.Tool;
import dev.offmeter.ChatResponse.ToolCall;
import dev.offmeter.Message;

/**
 * Estimates tokens where a server reports none. Tokenizers differ, so an estimate is meant to lie
 * above what any of them counts for prose, code and data: English prose has about four letters a
 * token, and every digit is a token of Qwen's.
 */
public final class TokenEstimator {
  /**
   * The tokens that a chat template puts around a message or a tool: role, separators, names of
   * fields.
   */
  private static final int PER_PART = 16;

  /**
   * The tokens that a template may put before all messages: Llama 3's has some 30 tokens, with the
   * date.
   */
  private static final int TEMPLATE = 64;

  private TokenEstimator() {}

  /** Returns an estimate of the tokens of a request's messages, tools and answer schema. */
  public static int ofRequest(ChatRequest request) {
    long halves = 2L * PER_PART + halves(request.answerSchema().orElse(""));
    for (Message message : request.messages()) {
      halves += 2L * PER_PART + halves(message.content());
      for (ToolCall call : message.toolCalls()) {
        halves += 2L * PER_PART + halves(call.name()) + halves(call.arguments());
      }
    }
    for (Tool tool : request.tools()) {
      halves += 2L * PER_PART + halves(tool.name());
      halves += halves(tool.description()) + halves(tool.schema());
    }
    return tokens(halves);
  }

  /** Returns an estimate of the tokens of a text. */
  public static int ofText(CharSequence text) {
    return tokens(halves(text));
  }

  /**
   * Returns a bound of the tokens of a request: a token of a byte-level vocabulary has one byte at
   * the least. Twice the estimate is that for letters and digits, and more for all else.
   */
  public static int mostOfRequest(ChatRequest request) {
    return (int) Math.min(Integer.MAX_VALUE, 2L * ofRequest(request) + TEMPLATE);
  }

  private static int tokens(long halves) {
    return (int) Math.min(Integer.MAX_VALUE, (halves + 1) / 2);
  }

  /** Returns the estimate in halves of a token. */
  private static long halves(CharSequence text) {
    long halves = 0;
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      boolean ofWord = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == ' ';
      halves += ofWord ? 1 : c < 128 ? 2 : 4;
    }
    return halves;
  }
}
