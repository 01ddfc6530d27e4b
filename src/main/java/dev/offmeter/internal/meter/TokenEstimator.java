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

  /**
   * The tokens of an image, whatever its size: above Claude's 4,784 at most, GPT-4o's 1,445, the
   * 1,536 patches of OpenAI's small models times 2.46, Gemini's 2,240 and the 4,096 of
   * llama-server, as in their documentation and source.
   */
  private static final int IMAGE = 5000;

  /**
   * The most tokens that any server is known to count for one image: GPT-4o mini's 2,833 and 5,667
   * for each of at most 8 tiles are 48,169, in OpenAI's documentation; Qwen's are 16,384.
   */
  private static final int MOST_OF_IMAGE = 50_000;

  private TokenEstimator() {}

  /** Returns an estimate of the tokens of a request's messages, tools and answer schema. */
  public static int ofRequest(ChatRequest request) {
    return tokens(halves(request) + 2L * IMAGE * images(request));
  }

  private static long images(ChatRequest request) {
    return request.messages().stream().mapToLong(message -> message.images().size()).sum();
  }

  private static long halves(ChatRequest request) {
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
    return halves;
  }

  /** Returns an estimate of the tokens of a text. */
  public static int ofText(CharSequence text) {
    return tokens(halves(text));
  }

  /**
   * Returns a bound of the tokens of a request: a token of a byte-level vocabulary has one byte at
   * the least. Twice the estimate is that for letters and digits, and more for all else. An image
   * has the most tokens that any server is known to count.
   */
  public static int mostOfRequest(ChatRequest request) {
    long ofTexts = 2L * tokens(halves(request)) + TEMPLATE;
    return (int) Math.min(Integer.MAX_VALUE, ofTexts + MOST_OF_IMAGE * images(request));
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
