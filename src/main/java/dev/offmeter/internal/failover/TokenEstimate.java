// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.failover;

import dev.offmeter.ChatRequest;
import dev.offmeter.Message;
import dev.offmeter.Role;

/**
 * Estimates how many tokens a request has at least, whatever the tokenizer. The estimate is far too
 * low for any real text, because an endpoint that could answer must never be skipped for it:
 *
 * <ul>
 *   <li>No token is longer than 128 characters in the vocabularies of cl100k_base, o200k_base,
 *       Llama 3, Qwen 3, DeepSeek V3 and Gemma 3, where the longest are runs of spaces.
 *   <li>Only letters and digits count. A template may trim what surrounds a message, and a
 *       tokenizer may collapse spaces or drop control characters; and the longest tokens are runs
 *       of spaces and signs. No token of these vocabularies has more than 64 letters and digits, so
 *       128 leaves twice the room for one that is not among them. A letter that is not in a
 *       vocabulary is one byte or more.
 *   <li>Only the user's messages count. Templates of Ollama and of llama-server drop a system
 *       message or a tool's result that they have no place for, tools, and the thinking in an
 *       earlier answer.
 *   <li>Images do not count: a server may scale one down to a few tokens, or drop it.
 * </ul>
 */
final class TokenEstimate {
  /** The most letters and digits of one token. */
  static final int LETTERS_PER_TOKEN = 128;

  private TokenEstimate() {}

  /** Returns the least number of tokens that the request has, if that is more than {@code most}. */
  static long leastTokensBeyond(long most, ChatRequest request) {
    // Few requests are long enough for their letters to be counted.
    return tokens(characters(request)) > most ? tokens(letters(request)) : 0;
  }

  private static long tokens(long letters) {
    return (letters + LETTERS_PER_TOKEN - 1) / LETTERS_PER_TOKEN;
  }

  private static long characters(ChatRequest request) {
    long characters = 0;
    for (Message message : request.messages()) {
      characters += message.role() == Role.USER ? message.content().length() : 0;
    }
    return characters;
  }

  private static long letters(ChatRequest request) {
    long letters = 0;
    for (Message message : request.messages()) {
      letters += message.role() == Role.USER ? letters(message.content()) : 0;
    }
    return letters;
  }

  /** Returns the letters and digits of the text; one beyond U+FFFF does not count. */
  private static long letters(String text) {
    long letters = 0;
    for (int i = 0; i < text.length(); i++) {
      letters += Character.isLetterOrDigit(text.charAt(i)) ? 1 : 0;
    }
    return letters;
  }
}
